package sessiontest

import (
	"sync/atomic"
	"time"
)

// A Clock shows the time of day plus what it was advanced by. It is safe for concurrent use.
// Sessions begin and expire by it; timers do not use it. To test with those, use package
// testing/synctest, in whose bubbles sessions work too.
type Clock struct{ ahead atomic.Int64 }

// NewClock returns a clock that shows the time of day.
func NewClock() *Clock { return &Clock{} }

// Now returns the time of the clock. The method is a Now for a [session.Config] and for the
// Options of package memory.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Advance moves the clock forward by d, or back if d is negative.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }
