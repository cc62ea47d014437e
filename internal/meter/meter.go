// Package meter counts the calls of a store by method and measures how long they take. It also
// counts conflicts, corrupt records and outages. The wrappers pass every call on unchanged, with
// one exception: a Retrieve that returns neither a record nor an error fails with [ErrNoRecord].
package meter

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/uptime"
)

// A Meter holds the counts of one store. The zero Meter is ready to use. All methods of this
// package are safe for concurrent use.
type Meter struct {
	Create, Retrieve, Flush, Touch, ChangeID, Destroy, DestroySubject, Renamed, DeleteExpired Method

	Deleted   atomic.Int64 // records that DeleteExpired deleted
	Conflicts atomic.Int64 // writes that failed with ErrConflict
	Corrupt   atomic.Int64 // calls that failed with ErrCorrupt
	Errors    atomic.Int64 // outages
}

// Methods yields all methods and their names.
func (m *Meter) Methods() iter.Seq2[string, *Method] {
	return func(yield func(string, *Method) bool) {
		_ = yield("Create", &m.Create) && yield("Retrieve", &m.Retrieve) && yield("Flush", &m.Flush) &&
			yield("Touch", &m.Touch) && yield("ChangeID", &m.ChangeID) && yield("Destroy", &m.Destroy) &&
			yield("DestroySubject", &m.DestroySubject) && yield("Renamed", &m.Renamed) &&
			yield("DeleteExpired", &m.DeleteExpired)
	}
}

// Bounds are the upper bounds of the buckets that [Method.Latency] counts in, ascending.
var Bounds = [...]time.Duration{
	10 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second,
}

// A Method holds the counts of one method.
type Method struct {
	succeeded atomic.Int64
	time      atomic.Int64 // sum, in nanoseconds
	latency   [len(Bounds) + 1]atomic.Int64
}

// Succeeded returns the number of calls that returned no error.
func (c *Method) Succeeded() int64 { return c.succeeded.Load() }

// Latency returns the numbers of calls by duration, and the sum of the durations. counts[i] is
// the number of calls that took at most Bounds[i] and longer than Bounds[i-1]; the last element
// is the number of calls that took longer than all Bounds.
func (c *Method) Latency() (counts []int64, sum time.Duration) {
	counts = make([]int64, len(c.latency))
	for i := range c.latency {
		counts[i] = c.latency[i].Load()
	}
	return counts, time.Duration(c.time.Load())
}

// took counts a call under ctx that began at the uptime begin and has now returned err.
func (m *Meter) took(ctx context.Context, c *Method, begin time.Duration, err error) {
	d := uptime.Now() - begin
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	c.latency[i].Add(1)
	c.time.Add(int64(d))
	if err == nil {
		c.succeeded.Add(1)
		return
	}
	m.Failed(ctx, err)
}

// Failed counts the error of a call under ctx as a conflict, a corrupt record, an outage, or
// none of these. The stores of this package call it themselves. An error that results from the
// end of the caller's own context is no outage.
func (m *Meter) Failed(ctx context.Context, err error) {
	switch {
	case errors.Is(err, driver.ErrConflict):
		m.Conflicts.Add(1)
	case errors.Is(err, driver.ErrCorrupt):
		m.Corrupt.Add(1)
	case !IsAnswer(err) && !errors.Is(err, context.Canceled) && !bounded.CallerEnded(ctx):
		m.Errors.Add(1)
	}
}
