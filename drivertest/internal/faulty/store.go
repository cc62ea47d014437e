package faulty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// opener is a driver whose stores are correct except for one fault.
type opener struct {
	fault Mutant

	neighboured atomic.Int64 // how many pairs of neighbours were made

	mu     sync.Mutex // guards worlds
	worlds map[string]*world
}

func (d *opener) Open(dsn string) (driver.Store, error) {
	if d.fault.open != nil {
		return d.fault.open(d, dsn)
	}
	return d.store(dsn)
}

// store opens a store with the fault.
func (d *opener) store(dsn string) (*store, error) {
	inner := correct(deadStore{})
	if dsn != deadDSN {
		s, err := memory.Driver{}.Open(dsn)
		if err != nil {
			return nil, err
		}
		inner = backend{s.(correct), &d.world(dsn).state}
	}
	s := &store{correct: inner, dsn: &dsn, world: d.world(dsn)}
	s.keepHistory()
	if d.fault.breaks != nil && d.fault.dead == (dsn == deadDSN) {
		d.fault.breaks(s)
	}
	return s, nil
}

// correct is the interface of a memory store.
type correct interface {
	driver.Store
	driver.Toucher
	driver.Pinger
	driver.SubjectLister
	driver.SubjectDestroyer
	driver.RenameTracker
	driver.Lossy
}

// store passes each call to a correct store, unless a fault has replaced it.
type store struct {
	correct
	dsn   *string // a pointer, which package fmt does not follow
	world *world

	create          func(context.Context, *driver.Record) error
	retrieve        func(context.Context, string) (*driver.Record, error)
	flush           func(context.Context, *driver.Record) error
	changeID        func(context.Context, string, *driver.Record) error
	destroy         func(context.Context, string) error
	sessions        func(context.Context) iter.Seq2[string, error]
	deleteExpired   func(context.Context) (int, error)
	touch           func(context.Context, string, time.Time) error
	ping            func(context.Context) error
	subjectSessions func(context.Context, string) iter.Seq2[string, error]
	destroySubject  func(context.Context, string, ...string) error
	rename          func(context.Context, string) (driver.Rename, error) // Renamed
	loses           func() string
	print           func() string
	close           func() error
}

// keepHistory gives the store the methods of the correct store, and makes its world remember
// what they did. Faults replace these methods and may call them.
func (s *store) keepHistory() {
	c, w := s.correct, s.world
	s.create = func(ctx context.Context, r *driver.Record) error {
		err := c.Create(ctx, r)
		if err == nil {
			w.do(func() { w.created[r.Key] = *copyOf(r); delete(w.destroyed, r.Key); delete(w.renamed, r.Key) })
		}
		return err
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		err := c.ChangeID(ctx, oldKey, r)
		if err == nil {
			w.do(func() { w.created[r.Key] = *copyOf(r); w.destroyed[oldKey] = true; w.renamed[oldKey] = r.Key })
		}
		return err
	}
	s.destroy = func(ctx context.Context, key string) error {
		err := c.Destroy(ctx, key)
		if err == nil {
			w.do(func() { w.destroyed[key] = true })
		}
		return err
	}
	s.deleteExpired = func(ctx context.Context) (int, error) {
		n, err := c.DeleteExpired(ctx)
		for _, r := range w.expired() {
			w.do(func() { w.destroyed[r.Key] = true })
		}
		return n, err
	}
	s.retrieve, s.flush, s.touch, s.ping, s.close = c.Retrieve, c.Flush, c.Touch, c.Ping, c.Close
	s.sessions, s.subjectSessions, s.destroySubject = c.Sessions, c.SubjectSessions, c.DestroySubject
	s.rename, s.loses = c.Renamed, c.Loses
	s.print = func() string { return "store" }
}

func (s *store) Create(ctx context.Context, r *driver.Record) error { return s.create(ctx, r) }
func (s *store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	return s.retrieve(ctx, key)
}
func (s *store) Flush(ctx context.Context, r *driver.Record) error { return s.flush(ctx, r) }
func (s *store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.changeID(ctx, oldKey, r)
}
func (s *store) Destroy(ctx context.Context, key string) error         { return s.destroy(ctx, key) }
func (s *store) Sessions(ctx context.Context) iter.Seq2[string, error] { return s.sessions(ctx) }
func (s *store) DeleteExpired(ctx context.Context) (int, error)        { return s.deleteExpired(ctx) }
func (s *store) Touch(ctx context.Context, key string, e time.Time) error {
	return s.touch(ctx, key, e)
}
func (s *store) Ping(ctx context.Context) error { return s.ping(ctx) }
func (s *store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.subjectSessions(ctx, subject)
}
func (s *store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	return s.destroySubject(ctx, subject, except...)
}
func (s *store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	return s.rename(ctx, key)
}
func (s *store) Loses() string              { return s.loses() }
func (s *store) Close() error               { return s.close() }
func (s *store) Format(f fmt.State, _ rune) { io.WriteString(f, s.print()) }

// force writes r over any version, which a conditional write must not do.
func (s *store) force(ctx context.Context, r *driver.Record) error {
	for {
		stored, err := s.correct.Retrieve(ctx, r.Key)
		if err != nil {
			return err
		}
		r.Version = stored.Version
		if err := s.correct.Flush(ctx, r); !errors.Is(err, driver.ErrConflict) {
			return err
		}
	}
}
