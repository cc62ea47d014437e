package faulty

import (
	"context"
	"errors"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

// twoSteps describes a store that changes an ID in several steps, as a store without
// transactions does, and that keeps its own marks. The zero value is correct. gap is called
// between two steps.
type twoSteps struct {
	gap      func()
	forgets  bool // marks whose records have ended
	unmarked bool // leaves no marks

	listsPending  bool // a fault: listings yield pending copies
	sparesPending bool // a fault: DestroySubject leaves pending copies
	leavesPending bool // a fault: a ChangeID that fails leaves its copy
}

type keptMark struct {
	to string
	at time.Time
}

// inTwoSteps makes s keep its marks itself. It never calls ChangeID of the memory store.
func (s *store) inTwoSteps(how twoSteps) {
	c := s.correct
	s.create = func(ctx context.Context, r *driver.Record) error {
		return s.locked(ctx, func() error {
			if s.keepsMark(r.Key, how) {
				return driver.ErrExists
			}
			return s.completed(r.Key, c.Create(ctx, r))
		})
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		return s.locked(ctx, func() error { return s.completed(r.Key, c.Flush(ctx, r)) })
	}
	s.touch = func(ctx context.Context, key string, expires time.Time) error {
		return s.locked(ctx, func() error { return s.completed(key, c.Touch(ctx, key, expires)) })
	}
	s.destroy = func(ctx context.Context, key string) error {
		return s.locked(ctx, func() error { return s.completed(key, c.Destroy(ctx, key)) })
	}
	s.destroySubject = func(ctx context.Context, subject string, except ...string) error {
		return s.locked(ctx, func() error {
			if how.sparesPending {
				for key := range s.world.pending {
					except = append(except[:len(except):len(except)], key)
				}
			}
			return c.DestroySubject(ctx, subject, except...)
		})
	}
	s.rename = func(ctx context.Context, key string) (rename driver.Rename, err error) {
		err = s.locked(ctx, func() error {
			if !s.keepsMark(key, how) {
				return driver.ErrNotFound
			}
			m := s.world.marks[key]
			rename = driver.Rename{To: m.to, Age: time.Since(m.at)}
			return nil
		})
		return rename, err
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		return s.changeInSteps(ctx, oldKey, r, how)
	}
	if !how.listsPending {
		s.sessions = s.completeOnly(c.Sessions)
		s.subjectSessions = s.ofSubject(s.completeOnly)
	}
}

// changeInSteps is ChangeID in three steps: it adds a pending copy, replaces the old record by a
// mark, and removes the flag of the copy.
func (s *store) changeInSteps(ctx context.Context, oldKey string, r *driver.Record, how twoSteps) error {
	c, w := s.correct, s.world
	gap := how.gap
	if gap == nil {
		gap = func() {}
	}
	current := func() (*driver.Record, error) {
		old, err := c.Retrieve(ctx, oldKey)
		if err == nil && old.Version != r.Version {
			err = driver.ErrConflict
		}
		return old, err
	}
	added := copyOf(r)
	err := s.locked(ctx, func() error {
		old, err := current()
		if err != nil {
			return err
		}
		if s.keepsMark(r.Key, how) {
			return driver.ErrExists
		}
		added.Created = old.Created
		if err := c.Create(ctx, added); err != nil {
			return err
		}
		w.pending[r.Key] = true
		return nil
	})
	if err != nil {
		return err
	}
	gap()
	err = s.locked(ctx, func() error {
		_, err := current()
		if err == nil {
			err = c.Destroy(ctx, oldKey)
		}
		switch {
		case err == nil:
			w.marks[oldKey] = keptMark{r.Key, time.Now()}
		case !how.leavesPending:
			_ = c.Destroy(ctx, r.Key) // the flag stays, for listings that have read the copy
		}
		return err
	})
	if err != nil {
		return err
	}
	gap()
	err = s.locked(ctx, func() error { return s.completed(r.Key, nil) })
	if err == nil {
		r.Version = added.Version
	}
	return err
}

// locked calls f with the lock of the world held.
func (s *store) locked(ctx context.Context, f func() error) error {
	if _, err := s.correct.Renamed(ctx, "no-record-has-this-key"); !errors.Is(err, driver.ErrNotFound) {
		return err // the store is closed, or its server is dead
	}
	s.world.lock <- struct{}{}
	defer func() { <-s.world.lock }()
	return f()
}

// completed removes the flag of the copy under key, unless err says that a write of it has
// failed. It returns err.
func (s *store) completed(key string, err error) error {
	if err == nil {
		delete(s.world.pending, key)
	}
	return err
}

// keepsMark reports whether there is a mark under key. The caller holds the lock of the world.
func (s *store) keepsMark(key string, how twoSteps) bool {
	m, found := s.world.marks[key]
	if !found || !how.forgets {
		return found && !how.unmarked
	}
	last := m.to
	for next, more := s.world.marks[last]; more; next, more = s.world.marks[last] {
		last = next.to
	}
	if _, err := s.correct.Retrieve(context.Background(), last); err != nil {
		delete(s.world.marks, key)
		return false
	}
	return true
}

// completeOnly returns list without pending copies.
func (s *store) completeOnly(list lister) lister {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for key, err := range list(ctx) {
				s.world.lock <- struct{}{}
				pending := s.world.pending[key]
				<-s.world.lock
				if !pending && !yield(key, err) {
					return
				}
			}
		}
	}
}
