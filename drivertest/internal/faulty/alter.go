package faulty

import (
	"context"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

// mapKeys makes the store use the key that f makes of the one that it is given.
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

// mapErrors makes a method return the error that f makes of its own.
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

// reuse makes the store reuse a version of the key when the function when returns true: Flush
// keeps the last version, other methods return to the first. Otherwise versions are counted up.
func (s *store) reuse(when func(method string, r, old *driver.Record) bool) {
	w := s.world
	s.numberBy(func(method string, r, old *driver.Record) uint64 {
		switch {
		case old == nil || !when(method, r, old):
			w.n++
			return uint64(w.n)
		case method == "Flush":
			return old.Version
		}
		return w.first[r.Key]
	})
}

// numberBy makes the store use the versions that number returns for the record r of a write. old
// is the last record under the key, or nil. number is called with the world locked.
func (s *store) numberBy(number func(method string, r, old *driver.Record) uint64) {
	w := s.world
	next := func(method string, r *driver.Record) {
		old, had := w.keep[r.Key]
		if had {
			r.Version = number(method, r, &old)
		} else {
			r.Version = number(method, r, nil)
			w.first[r.Key] = r.Version
		}
		w.keep[r.Key] = *copyOf(r)
	}
	// current replaces the caller's version by the one of the correct store, or returns the
	// error of a write over it.
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
			given := r.Version
			if err = current(ctx, r.Key, r); err != nil {
				return
			}
			if err = s.correct.Flush(ctx, r); err == nil {
				next("Flush", r)
			} else {
				r.Version = given
			}
		})
		return err
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) (err error) {
		w.do(func() {
			given := r.Version
			if err = current(ctx, oldKey, r); err != nil {
				return
			}
			if err = s.correct.ChangeID(ctx, oldKey, r); err == nil {
				next("ChangeID", r)
			} else {
				r.Version = given
			}
		})
		return err
	}
}
