package session

import (
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"gosession.dev/session/internal/meter"
)

// Stats are counts since the factory was made. Those of several processes can be added up.
type Stats struct {
	Created   int64 // sessions stored for the first time
	Retrieved int64 // IDs sent by clients under which there was a session
	NotFound  int64 // IDs sent by clients under which there was none: it never existed, has expired, was ended, or has another ID
	Expired   int64 // expired sessions that this factory has deleted
	Flushed   int64 // writes of changes that keep the ID
	Touched   int64 // writes that move only the expiry, if the store has a method for that
	ChangedID int64 // sessions that got another ID, mostly by a sign-in
	Destroyed int64 // sessions ended one by one; for sessions of a subject, see DestroySubject in Calls

	Dropped      int64 // requests whose changes were dropped because the session had ended or got another ID meanwhile
	Conflicts    int64 // writes that met a competing write, and were retried
	MergesFailed int64 // writes abandoned because they still conflicted at StoreTimeout, see [ErrConflict]
	Corrupt      int64 // records that could not be decoded
	StoreErrors  int64 // calls of the store that failed, without those whose context the caller has ended

	// Calls has the latencies of the store's calls that have returned, by the name of the
	// method, such as "Retrieve". It has an entry for each method, called or not, except for
	// Ping, Close and the listings.
	Calls map[string]Histogram
}

// Counters yields the counts under names for monitoring systems, such as "not_found".
func (s Stats) Counters() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		_ = yield("created", s.Created) && yield("retrieved", s.Retrieved) && yield("not_found", s.NotFound) &&
			yield("expired", s.Expired) && yield("flushed", s.Flushed) && yield("touched", s.Touched) &&
			yield("id_changed", s.ChangedID) && yield("destroyed", s.Destroyed) && yield("dropped", s.Dropped) && yield("conflicts", s.Conflicts) &&
			yield("merges_failed", s.MergesFailed) && yield("corrupt", s.Corrupt) && yield("store_errors", s.StoreErrors)
	}
}

// Stats returns the current counts.
func (f *Factory) Stats() Stats {
	m, c := &f.meter, &f.counts
	s := Stats{
		Created:      m.Create.Succeeded(),
		Retrieved:    c.found.Load(),
		NotFound:     c.notFound.Load(),
		Expired:      m.Deleted.Load(),
		Flushed:      m.Flush.Succeeded(),
		Touched:      m.Touch.Succeeded(),
		ChangedID:    m.ChangeID.Succeeded(),
		Destroyed:    m.Destroy.Succeeded(),
		Dropped:      c.dropped.Load(),
		Conflicts:    m.Conflicts.Load(),
		MergesFailed: c.mergesFailed.Load(),
		Corrupt:      m.Corrupt.Load(),
		StoreErrors:  m.Errors.Load(),
		Calls:        map[string]Histogram{},
	}
	for name, method := range m.Methods() {
		counts, sum := method.Latency()
		s.Calls[name] = Histogram{Bounds: slices.Clone(meter.Bounds[:]), Counts: counts, Sum: sum}
	}
	return s
}

// counts are the counts of a factory other than its calls of the store.
type counts struct {
	found, notFound, dropped, mergesFailed atomic.Int64
}

// looked counts the result of looking up an ID that a client has sent.
func (c *counts) looked(err error) {
	switch {
	case err == nil:
		c.found.Add(1)
	case isGone(err):
		c.notFound.Add(1)
	}
}

// A Histogram counts durations by length. Each duration is counted once; the buckets are not
// cumulative, unlike the buckets of Prometheus.
type Histogram struct {
	Bounds []time.Duration // in ascending order
	Counts []int64         // Counts[i] counts durations of at most Bounds[i] and longer than Bounds[i-1]; the last one, durations longer than all Bounds
	Sum    time.Duration   // of all durations
}

// Count returns the number of durations in h.
func (h Histogram) Count() int64 {
	var n int64
	for _, c := range h.Counts {
		n += c
	}
	return n
}
