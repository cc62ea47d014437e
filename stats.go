package session

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
)

// Stats are counts since the factory was made. The counts of all processes of a fleet can
// be added up.
type Stats struct {
	Created   int64 // sessions that were stored for the first time
	Retrieved int64 // sessions that were found by an ID that a client has sent
	NotFound  int64 // such IDs for which there was none: never was, expired, or ended
	Expired   int64 // sessions that this factory has deleted because they had expired
	Flushed   int64 // changes that were stored
	Touched   int64 // expiries that were moved and nothing else, by a store that does so
	ChangedID int64 // sessions that got another ID, by a sign-in mostly
	Destroyed int64 // sessions that were ended, one by one; see also DestroySubject in Calls

	Dropped      int64 // requests whose changes were dropped, because the session had ended or got another ID meanwhile
	Conflicts    int64 // writes that met a competing write, and were merged with it
	MergesFailed int64 // writes abandoned because they still conflicted at StoreTimeout, see [ErrConflict]
	Corrupt      int64 // records that could not be decoded
	StoreErrors  int64 // calls of the store that failed: outages. A context that the caller has ended does not count

	Calls []CallStats // of the store, by operation
}

// Counters yields the counts by the names that monitoring systems give them, as in
// "not_found".
func (s Stats) Counters() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		_ = yield("created", s.Created) && yield("retrieved", s.Retrieved) && yield("not_found", s.NotFound) &&
			yield("expired", s.Expired) && yield("flushed", s.Flushed) && yield("touched", s.Touched) &&
			yield("id_changed", s.ChangedID) && yield("destroyed", s.Destroyed) && yield("dropped", s.Dropped) && yield("conflicts", s.Conflicts) &&
			yield("merges_failed", s.MergesFailed) && yield("corrupt", s.Corrupt) && yield("store_errors", s.StoreErrors)
	}
}

// CallStats are the counts of one method of the store.
type CallStats struct {
	Operation string        // "Retrieve"
	Count     int64         // calls that have returned
	Time      time.Duration // that they took, together
	Latency   []int64       // [i] counts calls that took at most LatencyBounds()[i] and longer than the bound before; the last one, calls that took longer than all bounds
}

// LatencyBounds returns the bounds of [CallStats].Latency.
func LatencyBounds() []time.Duration { return slices.Clone(latencyBounds[:]) }

var latencyBounds = [...]time.Duration{
	10 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second,
}

// Stats returns the counts up to now.
func (f *Factory) Stats() Stats {
	m := &f.meter
	s := Stats{
		Created:      m.create.succeeded.Load(),
		Retrieved:    m.found.Load(),
		NotFound:     m.notFound.Load(),
		Expired:      m.deleted.Load(),
		Flushed:      m.flush.succeeded.Load(),
		Touched:      m.touch.succeeded.Load(),
		ChangedID:    m.changeID.succeeded.Load(),
		Destroyed:    m.destroy.succeeded.Load(),
		Dropped:      m.dropped.Load(),
		Conflicts:    m.conflicts.Load(),
		MergesFailed: m.mergesFailed.Load(),
		Corrupt:      m.corrupt.Load(),
		StoreErrors:  m.errors.Load(),
	}
	for name, c := range m.calls() {
		s.Calls = append(s.Calls, c.stats(name))
	}
	return s
}

// meter counts.
type meter struct {
	create, retrieve, flush, touch, changeID, destroy, destroySubject, renamed, deleteExpired callMeter

	found, notFound, deleted atomic.Int64
	dropped                  atomic.Int64
	conflicts, mergesFailed  atomic.Int64
	corrupt, errors          atomic.Int64
}

func (m *meter) calls() iter.Seq2[string, *callMeter] {
	return func(yield func(string, *callMeter) bool) {
		_ = yield("Create", &m.create) && yield("Retrieve", &m.retrieve) && yield("Flush", &m.flush) &&
			yield("Touch", &m.touch) && yield("ChangeID", &m.changeID) && yield("Destroy", &m.destroy) &&
			yield("DestroySubject", &m.destroySubject) && yield("Renamed", &m.renamed) &&
			yield("DeleteExpired", &m.deleteExpired)
	}
}

// callMeter counts the calls of one method.
type callMeter struct {
	succeeded atomic.Int64
	time      atomic.Int64
	latency   [len(latencyBounds) + 1]atomic.Int64
}

func (c *callMeter) stats(name string) CallStats {
	s := CallStats{Operation: name, Time: time.Duration(c.time.Load()), Latency: make([]int64, len(c.latency))}
	for i := range c.latency {
		s.Latency[i] = c.latency[i].Load()
		s.Count += s.Latency[i]
	}
	return s
}

// uptime is the time by a clock that is never set: how long this process has been running.
// It costs half of what time.Now does.
func uptime() time.Duration { return time.Since(processStart) }

var processStart = time.Now()

// took notes that a call under ctx has returned, which began at that uptime.
func (m *meter) took(ctx context.Context, c *callMeter, begin time.Duration, err error) {
	d := uptime() - begin
	i := 0
	for i < len(latencyBounds) && d > latencyBounds[i] {
		i++
	}
	c.latency[i].Add(1)
	c.time.Add(int64(d))
	if err == nil {
		c.succeeded.Add(1)
		return
	}
	m.failed(ctx, err)
}

// failed notes what the error of a call under ctx is.
func (m *meter) failed(ctx context.Context, err error) {
	switch {
	case errors.Is(err, ErrConflict):
		m.conflicts.Add(1)
	case errors.Is(err, ErrCorrupt):
		m.corrupt.Add(1)
	case !isAnswer(err) && !isCallersEnd(ctx):
		m.errors.Add(1)
	}
}

// looked notes what became of an ID that a client has sent.
func (m *meter) looked(err error) {
	switch {
	case err == nil:
		m.found.Add(1)
	case errors.Is(err, ErrNotFound):
		m.notFound.Add(1)
	}
}

// isAnswer reports whether err is no outage.
func isAnswer(err error) bool {
	for _, answer := range []error{ErrNotFound, driver.ErrExists, ErrTooLarge, ErrClosed, errors.ErrUnsupported, context.Canceled} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// isCallersEnd reports whether the caller has gone away, or has no more time.
func isCallersEnd(ctx context.Context) bool {
	for {
		d, ours := ctx.(*deadline)
		if !ours {
			return ctx.Err() != nil
		}
		ctx = d.Context
	}
}

// metered is a store whose calls are counted.
type metered struct {
	driver.Store
	m *meter
}

func (s metered) Create(ctx context.Context, r *driver.Record) error {
	begin := uptime()
	err := s.Store.Create(ctx, r)
	s.m.took(ctx, &s.m.create, begin, err)
	return err
}

func (s metered) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	begin := uptime()
	r, err := s.Store.Retrieve(ctx, key)
	s.m.took(ctx, &s.m.retrieve, begin, err)
	return r, err
}

func (s metered) Flush(ctx context.Context, r *driver.Record) error {
	begin := uptime()
	err := s.Store.Flush(ctx, r)
	s.m.took(ctx, &s.m.flush, begin, err)
	return err
}

func (s metered) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	begin := uptime()
	err := s.Store.ChangeID(ctx, oldKey, r)
	s.m.took(ctx, &s.m.changeID, begin, err)
	return err
}

func (s metered) Destroy(ctx context.Context, key string) error {
	begin := uptime()
	err := s.Store.Destroy(ctx, key)
	s.m.took(ctx, &s.m.destroy, begin, err)
	return err
}

func (s metered) DeleteExpired(ctx context.Context) (int, error) {
	begin := uptime()
	n, err := s.Store.DeleteExpired(ctx)
	s.m.took(ctx, &s.m.deleteExpired, begin, err)
	s.m.deleted.Add(int64(n))
	return n, err
}

// meteredToucher is a store that moves expiries, counted.
type meteredToucher struct {
	driver.Toucher
	m *meter
}

func (s meteredToucher) Touch(ctx context.Context, key string, expires time.Time) error {
	begin := uptime()
	err := s.Toucher.Touch(ctx, key, expires)
	s.m.took(ctx, &s.m.touch, begin, err)
	return err
}

// meteredDestroyer is a store that ends all sessions of a subject, counted.
type meteredDestroyer struct {
	driver.SubjectDestroyer
	m *meter
}

func (s meteredDestroyer) DestroySubject(ctx context.Context, subject string, except ...string) error {
	begin := uptime()
	err := s.SubjectDestroyer.DestroySubject(ctx, subject, except...)
	s.m.took(ctx, &s.m.destroySubject, begin, err)
	return err
}

// meteredTracker is a store that leaves marks under old keys, counted.
type meteredTracker struct {
	driver.RenameTracker
	m *meter
}

func (s meteredTracker) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	begin := uptime()
	rename, err := s.RenameTracker.Renamed(ctx, key)
	s.m.took(ctx, &s.m.renamed, begin, err)
	return rename, err
}
