package move

import (
	"context"
	"errors"
	"time"

	"gosession.dev/session/driver"
)

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
	_ driver.RenameTracker    = (*Store)(nil)
	_ driver.Lossy            = (*Store)(nil)
)

// Create creates r in the new store, or the old one if all is to stay. That store
// refuses a key that it has a mark under; the other one has to be asked.
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	if !s.stays {
		if err := s.createNew(ctx, r); !errors.Is(err, driver.ErrExists) {
			return err
		}
	}
	created := copyOf(r)
	for {
		stored, at, err := s.find(ctx, r.Key)
		switch {
		case err != nil:
			return err
		case at == inOld || at == inNew:
			return driver.ErrExists
		case at == buried: // nobody but a test uses a key twice
			created.Version, at = stored.Version, inNew
			err = s.new.Flush(ctx, created)
		case s.stays && at == buriedOld:
			created.Version, at = stored.Version, inOld
			err = s.old.Flush(ctx, created)
		case s.stays:
			at, err = inOld, s.createOld(ctx, created)
		default:
			at, err = inNew, s.createUnmarked(ctx, created)
		}
		if err == nil {
			r.Version = version(created, at)
		}
		if !is(err, driver.ErrConflict, driver.ErrNotFound) {
			return err
		}
	}
}

// createNew creates r in the new store, unless there is anything under its key.
func (s *Store) createNew(ctx context.Context, r *driver.Record) error {
	if err := s.freeInOld(ctx, r.Key); err != nil {
		return err
	}
	return s.new.Create(ctx, r)
}

// createUnmarked creates r in the new store, unless there is a mark under its key.
func (s *Store) createUnmarked(ctx context.Context, r *driver.Record) error {
	if err := unmarked(ctx, s.old, r.Key); err != nil {
		return err
	}
	return s.new.Create(ctx, r)
}

// freeInOld returns ErrExists if the old store has a record or a mark under key.
func (s *Store) freeInOld(ctx context.Context, key string) error {
	old, err := s.old.Retrieve(ctx, key)
	switch {
	case err == nil && !IsGrave(old):
		return driver.ErrExists
	case err != nil && !errors.Is(err, driver.ErrNotFound):
		return err
	}
	return unmarked(ctx, s.old, key)
}

// createOld creates r in the old store, unless another process was faster and its
// record has moved already: then the error is ErrConflict.
func (s *Store) createOld(ctx context.Context, r *driver.Record) error {
	if err := unmarked(ctx, s.new, r.Key); err != nil {
		return err
	}
	if err := s.old.Create(ctx, r); err != nil {
		return err
	}
	there, at, err := s.findNew(ctx, r.Key)
	switch {
	case err != nil:
		return err
	case at == nowhere || at == buried: // by somebody who has ended it already
		return nil
	case isSame(there, r): // it has moved already
		r.Version = 0
		return nil
	}
	return errors.Join(driver.ErrConflict, s.clear(ctx, r.Key))
}

// Retrieve returns the record from wherever it is.
func (s *Store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	r, at, err := s.find(ctx, key)
	if err != nil {
		return nil, err
	}
	if at != inNew && at != inOld {
		return nil, driver.ErrNotFound
	}
	r.Version = version(r, at)
	return r, nil
}

// Flush replaces the record in the new store. One in the old store moves, unless all is
// to stay.
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	return s.change(ctx, r.Key, isVersion(r.Version), func(stored *driver.Record, at place) error {
		if err := s.shorten(ctx, stored, at, r.Expires); err != nil {
			return err
		}
		next := copyOf(r)
		next.Created, next.Version = stored.Created, stored.Version
		err := s.write(ctx, next, at)
		if err == nil {
			r.Version = version(next, at)
		}
		return err
	})
}

// Touch moves the expiry, and with it a record that is in the old store.
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	return s.change(ctx, key, isLive, func(stored *driver.Record, at place) error {
		if err := s.shorten(ctx, stored, at, expires); err != nil {
			return err
		}
		if toucher, ok := s.new.(driver.Toucher); ok && at == inNew {
			err := toucher.Touch(ctx, key, expires)
			if !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
		}
		stored.Expires = expires
		return s.write(ctx, stored, at)
	})
}

func isLive(*driver.Record, place) bool { return true }

func isVersion(v uint64) func(*driver.Record, place) bool {
	return func(r *driver.Record, at place) bool { return version(r, at) == v }
}

// change has do change a record if it is as it should be, and again if it has changed
// its place meanwhile.
func (s *Store) change(ctx context.Context, key string, isRight func(*driver.Record, place) bool, do func(stored *driver.Record, at place) error) error {
	for {
		stored, at, err := s.find(ctx, key)
		switch {
		case err != nil:
			return err
		case at != inNew && at != inOld:
			return driver.ErrNotFound
		case !isRight(stored, at):
			return driver.ErrConflict
		}
		if err := do(stored, at); !is(err, driver.ErrConflict, driver.ErrNotFound) {
			return err
		}
	}
}

// shorten clears the old store if a record in the new one is to end earlier: what a
// process that died has left there would last longer, and come back.
func (s *Store) shorten(ctx context.Context, stored *driver.Record, at place, expires time.Time) error {
	if at != inNew || !expires.Before(stored.Expires) {
		return nil
	}
	return s.clear(ctx, stored.Key)
}

// write writes r over the version of it where it is, and moves it unless it is to stay.
func (s *Store) write(ctx context.Context, r *driver.Record, at place) error {
	if at == inOld && !s.stays {
		_, err := s.move(ctx, r)
		return err
	}
	if at == inOld {
		return s.old.Flush(ctx, r)
	}
	return s.new.Flush(ctx, r)
}

// Destroy ends the session where it is. One that is on its way it buries in the new
// store, so that nobody completes that, and removes it from the old one then.
func (s *Store) Destroy(ctx context.Context, key string) error {
	for {
		frozen, ended, err := s.endOld(ctx, key)
		if err != nil || ended {
			return err
		}
		if frozen != nil {
			return s.endNew(ctx, key, frozen)
		}
		_, at, err := s.find(ctx, key)
		switch {
		case errors.Is(err, driver.ErrCorrupt) || err == nil && at == inNew:
			return s.endNew(ctx, key, nil)
		case err != nil:
			return err
		case at != inOld: // where it may have come meanwhile
			return driver.ErrNotFound
		}
	}
}

// endNew ends what is in the new store, or on its way there. The call that digs the
// grave has ended it.
func (s *Store) endNew(ctx context.Context, key string, frozen *driver.Record) error {
	var expires time.Time
	if frozen != nil {
		expires = frozen.Expires
	}
	was, err := s.bury(ctx, key, expires)
	if err != nil {
		return err
	}
	if err := s.clear(ctx, key); err != nil {
		return err
	}
	if was == inNew || was == nowhere && frozen != nil {
		return nil
	}
	return driver.ErrNotFound
}

// DeleteExpired sweeps both.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	n, err := s.new.DeleteExpired(ctx)
	m, errOld := s.old.DeleteExpired(ctx)
	return n + m, errors.Join(wrap("new", err), wrap("old", errOld))
}

// Ping looks at both.
func (s *Store) Ping(ctx context.Context) error {
	return errors.Join(wrap("new", ping(ctx, s.new)), wrap("old", ping(ctx, s.old)))
}

func ping(ctx context.Context, store driver.Store) error {
	if pinger, ok := store.(driver.Pinger); ok {
		return pinger.Ping(ctx)
	}
	_, err := store.Retrieve(ctx, "ping")
	return ignore(err, driver.ErrNotFound)
}

// Close closes both.
func (s *Store) Close() error {
	return errors.Join(wrap("new", s.new.Close()), wrap("old", s.old.Close()))
}

// Move moves the session of a key to the new store, if it is in the old one, and
// reports whether it had to. What is left in the old store of one that has moved, or
// has ended, it removes. If it does not fit, the error is ErrTooLarge.
func (s *Store) Move(ctx context.Context, key string) (bool, error) {
	for {
		began := time.Now()
		r, err := s.old.Retrieve(ctx, key)
		switch {
		case errors.Is(err, driver.ErrNotFound):
			return false, nil
		case err != nil:
			return false, err
		case IsGrave(r):
			return false, s.clear(ctx, key)
		case IsFrozen(r):
			err = s.complete(ctx, r, began)
			return err == nil, err
		}
		if _, _, err := s.findNew(ctx, key); err != nil {
			return false, err // before anything is frozen
		}
		fits, err := s.move(ctx, r)
		if err == nil && !fits {
			err = driver.ErrTooLarge
		}
		if !is(err, driver.ErrConflict, driver.ErrNotFound) {
			return err == nil, err
		}
	}
}
