package sessiontest

import (
	"sync/atomic"
	"time"
)

// Clock goes as the time of day does, ahead by what it was advanced. It is safe for
// concurrent use. Only what begins and expires goes by it: timers do not. To test
// with those, use package testing/synctest, in whose bubbles sessions work too.
type Clock struct{ ahead atomic.Int64 }

// NewClock returns a clock that shows the time of day.
func NewClock() *Clock { return &Clock{} }

// Now is what a [session.Config] and the Options of package memory take.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Advance moves the clock on; a negative d moves it back.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }
