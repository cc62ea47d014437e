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

// Create creates r in the new store, or in the old one if s is preparing. That store refuses a key
// with a mark by itself; Create asks the other store for a mark.
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	if !s.preparing {
		if err := s.createNew(ctx, r); !errors.Is(err, driver.ErrExists) {
			return err
		}
	}
	created := copyOf(r)
	for {
		stored, at, err := s.find(ctx, r.Key)
		switch {
		case errors.Is(err, driver.ErrCorrupt):
			return driver.ErrExists
		case err != nil:
			return err
		case at == inOld || at == inNew:
			return driver.ErrExists
		case at == buried: // only tests use a key twice
			created.Version, at = stored.Version, inNew
			err = s.new.Flush(ctx, created)
		case s.preparing && at == buriedOld:
			created.Version, at = stored.Version, inOld
			err = s.old.Flush(ctx, created)
		case s.preparing:
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

// createNew creates r in the new store, unless either store has a record or a mark under its key,
// or the new store a grave.
func (s *Store) createNew(ctx context.Context, r *driver.Record) error {
	if err := s.checkFreeInOld(ctx, r.Key); err != nil {
		return err
	}
	return s.new.Create(ctx, r)
}

// createUnmarked creates r in the new store, unless the old store has a mark under its key.
func (s *Store) createUnmarked(ctx context.Context, r *driver.Record) error {
	if err := checkUnmarked(ctx, s.old, r.Key); err != nil {
		return err
	}
	return s.new.Create(ctx, r)
}

// checkFreeInOld returns ErrExists if the old store has a record, which may be unreadable, or a mark
// under key.
func (s *Store) checkFreeInOld(ctx context.Context, key string) error {
	old, err := s.old.Retrieve(ctx, key)
	switch {
	case err == nil && !IsGrave(old), errors.Is(err, driver.ErrCorrupt):
		return driver.ErrExists
	case err != nil && !errors.Is(err, driver.ErrNotFound):
		return err
	}
	return checkUnmarked(ctx, s.old, key)
}

// createOld creates r in the old store. If another process has created a record under its key
// first, and that has already moved, the error is ErrConflict.
func (s *Store) createOld(ctx context.Context, r *driver.Record) error {
	if err := checkUnmarked(ctx, s.new, r.Key); err != nil {
		return err
	}
	if err := s.old.Create(ctx, r); err != nil {
		return err
	}
	there, at, err := s.findNew(ctx, r.Key)
	switch {
	case err != nil:
		return err
	case at == nowhere || at == buried: // another process may have ended r already
		return nil
	case isSame(there, r): // r has moved already
		r.Version = 0
		return nil
	}
	return errors.Join(driver.ErrConflict, s.clear(ctx, r.Key))
}

// Retrieve returns the record from the store where it is.
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

// Flush replaces the record, and moves it to the new store unless s is preparing.
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

// Touch changes the expiry, and moves the record to the new store unless s is preparing.
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

// change calls do to change a record, provided that isRight accepts it. If do fails because the
// record has changed or moved meanwhile, change starts again.
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

// shorten clears the old store before the expiry of a record in the new store becomes earlier:
// otherwise a frozen record that a dead process left would outlive it and come back.
func (s *Store) shorten(ctx context.Context, stored *driver.Record, at place, expires time.Time) error {
	if at != inNew || !expires.Before(stored.Expires) {
		return nil
	}
	return s.clear(ctx, stored.Key)
}

// write replaces the record at its place with r, and moves it to the new store unless s is preparing.
func (s *Store) write(ctx context.Context, r *driver.Record, at place) error {
	if at == inOld && !s.preparing {
		_, err := s.move(ctx, r)
		return err
	}
	if at == inOld {
		return s.old.Flush(ctx, r)
	}
	return s.new.Flush(ctx, r)
}

// Destroy ends the session in the store where it is. If the session is on its way, Destroy first
// puts a grave into the new store, so that no process completes the move, and then removes the
// frozen record.
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
		case at != inOld: // if it is in the old store by now, try again
			return driver.ErrNotFound
		}
	}
}

// endNew ends a session that is in the new store or on its way there. Of concurrent calls, the
// one that creates the grave has ended it; for the others the error is ErrNotFound.
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

// DeleteExpired deletes the expired records of both stores, and returns the sum.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	n, err := s.new.DeleteExpired(ctx)
	m, errOld := s.old.DeleteExpired(ctx)
	return n + m, errors.Join(wrap("new", err), wrap("old", errOld))
}

// errSame is the error of Ping if a move would lose sessions, because the stores are the same.
var errSame = errors.New("the new store and the old one are the same, or one is made of the other; name two stores")

// Ping pings both stores. Until it has succeeded once, it also checks that they are different.
func (s *Store) Ping(ctx context.Context) error {
	err := errors.Join(wrap("new", ping(ctx, s.new)), wrap("old", ping(ctx, s.old)))
	if err != nil || s.distinct.Load() {
		return err
	}
	same, err := Shows(ctx, s.new, s.old)
	switch {
	case same:
		return errSame
	case err == nil:
		s.distinct.Store(true)
	}
	return err
}

func ping(ctx context.Context, store driver.Store) error {
	if pinger, ok := store.(driver.Pinger); ok {
		err := pinger.Ping(ctx)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	_, err := store.Retrieve(ctx, "ping")
	return ignore(err, driver.ErrNotFound)
}

// Close closes both stores.
func (s *Store) Close() error {
	return errors.Join(wrap("new", s.new.Close()), wrap("old", s.old.Close()))
}

// Move moves the record under key to the new store if it is in the old one, and reports whether
// it was. It removes what the old store still holds of a session that has moved or ended. If the
// new store can't hold the record, the error is ErrTooLarge.
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
			return false, err // nothing is frozen yet
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
