package drivertest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// deadDSN is the DSN of a server that never answers.
const deadDSN = "drivertest-dead"

// faultyDriver opens stores that are correct but for one fault.
type faultyDriver struct {
	fault mutant

	mu     sync.Mutex // guards worlds
	worlds map[string]*world
}

func (d *faultyDriver) Open(dsn string) (driver.Store, error) {
	if d.fault.open != nil {
		return d.fault.open(d, dsn)
	}
	return d.store(dsn)
}

// store opens a store with the fault.
func (d *faultyDriver) store(dsn string) (*store, error) {
	inner := correct(deadStore{})
	if dsn != deadDSN {
		s, err := memory.Driver{}.Open(dsn)
		if err != nil {
			return nil, err
		}
		inner = s.(correct)
	}
	s := &store{correct: inner, dsn: dsn, world: d.world(dsn)}
	s.keepHistory()
	if d.fault.breaks != nil && d.fault.dead == (dsn == deadDSN) {
		d.fault.breaks(s)
	}
	return s, nil
}

func (d *faultyDriver) world(dsn string) *world {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.worlds == nil {
		d.worlds = map[string]*world{}
	}
	w := d.worlds[dsn]
	if w == nil {
		w = &world{
			created: map[string]driver.Record{}, destroyed: map[string]bool{}, renamed: map[string]string{},
			keep: map[string]driver.Record{}, busy: map[string]bool{}, slots: make(chan struct{}, 100),
			lock: make(chan struct{}, 1), first: map[string]uint64{}, subjects: map[string]epoch{},
			marks: map[string]keptMark{}, pending: map[string]bool{},
		}
		d.worlds[dsn] = w
	}
	return w
}

// world is what all stores of one DSN share beside the records, for faults that
// need a memory.
type world struct {
	lock  chan struct{} // holds one element while locked; unlike mu, it may be held while time passes
	slots chan struct{} // one element for each connection in use

	mu        sync.Mutex               // guards what follows
	created   map[string]driver.Record // by key, as Create last stored it
	destroyed map[string]bool          // keys
	renamed   map[string]string        // new keys by old
	keep      map[string]driver.Record // as a fault needs it
	busy      map[string]bool          // as a fault needs it
	subjects  map[string]epoch         // as a fault needs it
	first     map[string]uint64        // versions, by key
	n         int                      // as a fault needs it
	marks     map[string]keptMark      // of stores that keep their own
	pending   map[string]bool          // keys of copies that ChangeID has not completed
}

type epoch struct {
	at     time.Time
	except []string
}

// do calls f with the lock held.
func (w *world) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// everHeld tells whether there was a record under key once.
func (w *world) everHeld(key string) (held bool) {
	w.do(func() { _, held = w.created[key] })
	return held
}

// expired returns the records that have expired since Create, if nobody asked
// the sweeper to remove them.
func (w *world) expired() (records []driver.Record) {
	w.do(func() {
		for key, r := range w.created {
			if !w.destroyed[key] && !time.Now().Before(r.Expires) {
				records = append(records, r)
			}
		}
	})
	return records
}

func (w *world) isExpired(key string) bool {
	return slices.ContainsFunc(w.expired(), func(r driver.Record) bool { return r.Key == key })
}

// correct is what a memory store implements.
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
	dsn   string
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
	close           func() error
}

// keepHistory makes the methods those of the correct store, and has its world
// remember what they did. Faults replace them and may call them.
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
func (s *store) Loses() string { return s.loses() }
func (s *store) Close() error  { return s.close() }

// force writes r over whatever version there is: what a conditional write must
// not be.
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

// mapKeys has the store use another key than it is given.
func (s *store) mapKeys(f func(string) string) {
	with := func(r *driver.Record, write func(*driver.Record) error) error {
		m := renamed(r, f(r.Key))
		err := write(m)
		r.Version = m.Version
		return err
	}
	before := *s
	s.create = func(ctx context.Context, r *driver.Record) error {
		return with(r, func(m *driver.Record) error { return before.create(ctx, m) })
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		return with(r, func(m *driver.Record) error { return before.flush(ctx, m) })
	}
	s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) { return before.retrieve(ctx, f(key)) }
	s.destroy = func(ctx context.Context, key string) error { return before.destroy(ctx, f(key)) }
}

// mapErrors has a method return another error than it did.
func (s *store) mapErrors(method string, f func(error) error) {
	before := *s
	seq := func(seq iter.Seq2[string, error]) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for key, err := range seq {
				if err = f(err); (key != "" || err != nil) && !yield(key, err) {
					return
				}
			}
		}
	}
	switch method {
	case "Create":
		s.create = func(ctx context.Context, r *driver.Record) error { return f(before.create(ctx, r)) }
	case "Retrieve":
		s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
			r, err := before.retrieve(ctx, key)
			return r, f(err)
		}
	case "Flush":
		s.flush = func(ctx context.Context, r *driver.Record) error { return f(before.flush(ctx, r)) }
	case "ChangeID":
		s.changeID = func(ctx context.Context, old string, r *driver.Record) error { return f(before.changeID(ctx, old, r)) }
	case "Destroy":
		s.destroy = func(ctx context.Context, key string) error { return f(before.destroy(ctx, key)) }
	case "Sessions":
		s.sessions = func(ctx context.Context) iter.Seq2[string, error] { return seq(before.sessions(ctx)) }
	case "DeleteExpired":
		s.deleteExpired = func(ctx context.Context) (int, error) {
			n, err := before.deleteExpired(ctx)
			return n, f(err)
		}
	case "Touch":
		s.touch = func(ctx context.Context, key string, e time.Time) error { return f(before.touch(ctx, key, e)) }
	case "Ping":
		s.ping = func(ctx context.Context) error { return f(before.ping(ctx)) }
	case "SubjectSessions":
		s.subjectSessions = func(ctx context.Context, subject string) iter.Seq2[string, error] {
			return seq(before.subjectSessions(ctx, subject))
		}
	case "DestroySubject":
		s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
			return f(before.destroySubject(ctx, subject, except...))
		}
	case "Renamed":
		s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
			rename, err := before.rename(ctx, key)
			return rename, f(err)
		}
	default:
		panic("no method " + method)
	}
}

// reuse has the store give a key a version that it had before, whenever when
// says so, instead of a new one. Versions are otherwise counted.
func (s *store) reuse(when func(method string, r, old *driver.Record) bool) {
	w := s.world
	next := func(method string, r *driver.Record) {
		old, had := w.keep[r.Key]
		switch {
		case !had || !when(method, r, &old):
			w.n++
			r.Version = uint64(w.n)
		case method == "Flush":
			r.Version = old.Version
		default:
			r.Version = w.first[r.Key]
		}
		if !had {
			w.first[r.Key] = r.Version
		}
		w.keep[r.Key] = *copyOf(r)
	}
	// current replaces the version that the caller knows by the stored one.
	current := func(ctx context.Context, key string, r *driver.Record) error {
		stored, err := s.correct.Retrieve(ctx, key)
		if err == nil && r.Version != w.keep[key].Version {
			err = driver.ErrConflict
		}
		if err == nil {
			r.Version = stored.Version
		}
		return err
	}
	s.create = func(ctx context.Context, r *driver.Record) (err error) {
		w.do(func() {
			if err = s.correct.Create(ctx, r); err == nil {
				next("Create", r)
				delete(w.destroyed, r.Key)
			}
		})
		return err
	}
	s.retrieve = func(ctx context.Context, key string) (r *driver.Record, err error) {
		w.do(func() {
			if r, err = s.correct.Retrieve(ctx, key); err == nil {
				r.Version = w.keep[key].Version
			}
		})
		return r, err
	}
	s.flush = func(ctx context.Context, r *driver.Record) (err error) {
		w.do(func() {
			if err = current(ctx, r.Key, r); err == nil {
				err = s.correct.Flush(ctx, r)
				next("Flush", r)
			}
		})
		return err
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) (err error) {
		w.do(func() {
			if err = current(ctx, oldKey, r); err != nil {
				return
			}
			if err = s.correct.ChangeID(ctx, oldKey, r); err == nil {
				next("ChangeID", r)
			}
		})
		return err
	}
}

// deadStore waits for an answer until its caller gives up.
type deadStore struct{}

func wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func waitSeq(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", wait(ctx)) }
}

func (deadStore) Create(ctx context.Context, _ *driver.Record) error { return wait(ctx) }
func (deadStore) Retrieve(ctx context.Context, _ string) (*driver.Record, error) {
	return nil, wait(ctx)
}
func (deadStore) Flush(ctx context.Context, _ *driver.Record) error              { return wait(ctx) }
func (deadStore) ChangeID(ctx context.Context, _ string, _ *driver.Record) error { return wait(ctx) }
func (deadStore) Destroy(ctx context.Context, _ string) error                    { return wait(ctx) }
func (deadStore) Sessions(ctx context.Context) iter.Seq2[string, error]          { return waitSeq(ctx) }
func (deadStore) DeleteExpired(ctx context.Context) (int, error)                 { return 0, wait(ctx) }
func (deadStore) Touch(ctx context.Context, _ string, _ time.Time) error         { return wait(ctx) }
func (deadStore) Ping(ctx context.Context) error                                 { return wait(ctx) }
func (deadStore) SubjectSessions(ctx context.Context, _ string) iter.Seq2[string, error] {
	return waitSeq(ctx)
}
func (deadStore) DestroySubject(ctx context.Context, _ string, _ ...string) error { return wait(ctx) }
func (deadStore) Renamed(ctx context.Context, _ string) (driver.Rename, error) {
	return driver.Rename{}, wait(ctx)
}
func (deadStore) Loses() string { return "a server that never answers has lost everything" }
func (deadStore) Close() error  { return nil }
