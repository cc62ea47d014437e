package move

import (
	"context"
	"crypto/rand"
	"errors"
	"hash/maphash"
	"iter"
	"slices"
	"time"

	"gosession.dev/session/driver"
)

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
)

// Create creates r in the new store, or the old one if all is to stay.
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	if err := s.makeRoom(ctx, r.Key); err != nil {
		return err
	}
	if !s.stays {
		return s.new.Create(ctx, r)
	}
	err := s.old.Create(ctx, r)
	if err == nil && r.Version != 0 {
		r.Version = mixed(r.Version)
	}
	return err
}

// makeRoom removes a grave: nobody but a test uses a key twice. Two may want to make
// room, and only one finds the grave.
func (s *Store) makeRoom(ctx context.Context, key string) error {
	r, at, err := s.find(ctx, key)
	switch {
	case err != nil:
		return err
	case at == inOld || at == inNew:
		return driver.ErrExists
	case at == nowhere:
		return nil
	}
	away := grave(rand.Text(), r.Expires, r.Version)
	err = s.new.ChangeID(ctx, key, away)
	if err == nil {
		err = s.new.Destroy(ctx, away.Key)
	}
	return ignore(err, driver.ErrNotFound, driver.ErrConflict)
}

// Retrieve returns the record from wherever it is.
func (s *Store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	r, at, err := s.find(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case at == inNew:
		return r, nil
	case at == inOld:
		r.Version = mixed(r.Version)
		return r, nil
	}
	return nil, driver.ErrNotFound
}

// Flush replaces the record in the new store. One in the old store moves.
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	stored, at, err := s.find(ctx, r.Key)
	switch {
	case err != nil:
		return err
	case at == inNew && r.Version == stored.Version:
		return s.flushNew(ctx, r)
	case at == inOld && r.Version == mixed(stored.Version):
		return s.flushOld(ctx, r, stored.Version)
	case at == inNew || at == inOld:
		return driver.ErrConflict
	}
	return driver.ErrNotFound
}

// flushNew tells a grave from a conflict.
func (s *Store) flushNew(ctx context.Context, r *driver.Record) error {
	err := s.new.Flush(ctx, r)
	if errors.Is(err, driver.ErrConflict) {
		if _, at, err := s.findNew(ctx, r.Key); err == nil && at != inNew {
			return driver.ErrNotFound
		}
	}
	return err
}

// flushOld moves r, unless it is to stay. Its version in the new store is not known
// then.
func (s *Store) flushOld(ctx context.Context, r *driver.Record, version uint64) error {
	if !s.stays {
		err := s.move(ctx, r, version)
		if err == nil {
			r.Version = 0
		}
		return s.movedMeanwhile(ctx, r.Key, err)
	}
	stays := copyOf(r)
	stays.Version = version
	err := s.old.Flush(ctx, stays)
	if err == nil && stays.Version == 0 {
		r.Version = 0
	} else if err == nil {
		r.Version = mixed(stays.Version)
	}
	return s.movedMeanwhile(ctx, r.Key, err)
}

// ChangeID creates r in the new store, and buries what is under oldKey then: nobody
// knows the new ID before that is done.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	stored, at, err := s.find(ctx, oldKey)
	switch {
	case err != nil:
		return err
	case at == inOld && r.Version == mixed(stored.Version):
		return s.renameOld(ctx, oldKey, r, stored)
	case at == inNew && r.Version == stored.Version:
		return s.rename(ctx, oldKey, r, stored)
	case at == inNew || at == inOld:
		return driver.ErrConflict
	}
	return driver.ErrNotFound
}

// renameOld makes r of stored, which is in the old store, after it has moved, or
// there if it is to stay.
func (s *Store) renameOld(ctx context.Context, oldKey string, r, stored *driver.Record) error {
	if err := s.makeRoom(ctx, r.Key); err != nil {
		return err
	}
	if s.stays {
		return s.renameWhereItIs(ctx, oldKey, r, stored.Version)
	}
	if err := s.move(ctx, stored, stored.Version); err != nil {
		return s.movedMeanwhile(ctx, oldKey, err)
	}
	moved, at, err := s.findNew(ctx, oldKey)
	switch {
	case err != nil:
		return err
	case at != inNew:
		return driver.ErrNotFound
	case !sameContent(moved, stored):
		return driver.ErrConflict
	}
	return s.rename(ctx, oldKey, r, moved)
}

func (s *Store) renameWhereItIs(ctx context.Context, oldKey string, r *driver.Record, version uint64) error {
	stays := copyOf(r)
	stays.Version = version
	err := s.old.ChangeID(ctx, oldKey, stays)
	if err == nil {
		r.Version = 0
		if stays.Version != 0 {
			r.Version = mixed(stays.Version)
		}
	}
	return s.movedMeanwhile(ctx, oldKey, err)
}

// movedMeanwhile tells a record that has moved from one that has ended.
func (s *Store) movedMeanwhile(ctx context.Context, key string, err error) error {
	if !errors.Is(err, driver.ErrNotFound) {
		return err
	}
	if _, at, err := s.find(ctx, key); err == nil && (at == inNew || at == inOld) {
		return driver.ErrConflict
	}
	return err
}

// rename makes r of stored, which is in the new store.
func (s *Store) rename(ctx context.Context, oldKey string, r, stored *driver.Record) error {
	created := copyOf(r)
	created.Created = stored.Created
	if err := s.Create(ctx, created); err != nil {
		return err
	}
	err := s.new.Flush(ctx, grave(oldKey, stored.Expires, stored.Version))
	if err == nil {
		r.Version = created.Version
		return nil
	}
	undone := ignore(s.new.Destroy(ctx, r.Key), driver.ErrNotFound)
	if errors.Is(err, driver.ErrConflict) {
		if _, at, found := s.findNew(ctx, oldKey); found == nil && at != inNew {
			err = driver.ErrNotFound
		}
	}
	return errors.Join(err, undone)
}

// Touch moves the expiry, and with it a record that is in the old store.
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	for {
		stored, at, err := s.find(ctx, key)
		if err != nil {
			return err
		}
		switch at {
		case inNew:
			if toucher, ok := s.new.(driver.Toucher); ok {
				return toucher.Touch(ctx, key, expires)
			}
			stored.Expires = expires
			err = s.flushNew(ctx, stored)
		case inOld:
			version := stored.Version
			stored.Expires = expires
			err = s.flushOld(ctx, stored, version)
		default:
			return driver.ErrNotFound
		}
		if !errors.Is(err, driver.ErrConflict) {
			return err
		}
	}
}

// Destroy buries the session first, so that nobody completes its way, and removes it
// from the old store then.
func (s *Store) Destroy(ctx context.Context, key string) error {
	old, err := s.old.Retrieve(ctx, key)
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return err
	}
	var expires time.Time
	if old != nil {
		expires = old.Expires
	} else if _, at, err := s.findNew(ctx, key); err != nil || at != inNew {
		return errors.Join(err, driver.ErrNotFound)
	}
	was, err := s.bury(ctx, key, expires)
	if err != nil {
		return err
	}
	removed := s.old.Destroy(ctx, key)
	switch {
	case !errors.Is(removed, driver.ErrNotFound) && removed != nil:
		return removed
	case was == inNew || was == nowhere && removed == nil:
		return nil
	}
	return driver.ErrNotFound
}

// Sessions lists the old store first: what moves meanwhile is in the new one then.
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.list(ctx, s.old.Sessions(ctx), s.new.Sessions(ctx))
}

// SubjectSessions does so too.
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.list(ctx, ofSubject(ctx, s.old, subject), ofSubject(ctx, s.new, subject))
}

func (s *Store) list(ctx context.Context, old, new iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seed, seen := maphash.MakeSeed(), map[uint64]bool{} // by a hash: there may be millions
		for key, err := range old {
			if err != nil {
				yield("", err)
				return
			}
			_, at, err := s.findNew(ctx, key)
			if err != nil {
				yield("", err)
				return
			}
			if at == buried {
				continue
			}
			seen[maphash.String(seed, key)] = true
			if !yield(key, nil) {
				return
			}
		}
		for key, err := range new {
			if err != nil {
				yield("", err)
				return
			}
			if seen[maphash.String(seed, key)] {
				continue
			}
			_, at, err := s.findNew(ctx, key)
			if err == nil && at != inNew {
				continue
			}
			if !yield(key, err) || err != nil {
				return
			}
		}
	}
}

// ofSubject lists the records of a subject, by looking at all if the store can't.
func ofSubject(ctx context.Context, store driver.Store, subject string) iter.Seq2[string, error] {
	if lister, ok := store.(driver.SubjectLister); ok {
		return lister.SubjectSessions(ctx, subject)
	}
	return func(yield func(string, error) bool) {
		for key, err := range store.Sessions(ctx) {
			var r *driver.Record
			if err == nil {
				r, err = store.Retrieve(ctx, key)
			}
			if errors.Is(err, driver.ErrNotFound) || err == nil && r.Subject != subject {
				continue
			}
			if !yield(key, err) || err != nil {
				return
			}
		}
	}
}

// DestroySubject buries those in the old store one by one, and those in the new one,
// which may come from the old. One that is renamed meanwhile may escape: it looks
// again until there is none.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	for found := true; found; {
		found = false
		for _, store := range []driver.Store{s.old, s.new} {
			for key, err := range ofSubject(ctx, store, subject) {
				if err == nil && !slices.Contains(except, key) {
					found = true
					err = ignore(s.Destroy(ctx, key), driver.ErrNotFound)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	if destroyer, ok := s.new.(driver.SubjectDestroyer); ok {
		return destroyer.DestroySubject(ctx, subject, except...)
	}
	return nil
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
// reports whether it had to.
func (s *Store) Move(ctx context.Context, key string) (bool, error) {
	for {
		r, at, err := s.find(ctx, key)
		if err != nil || at != inOld {
			return false, err
		}
		err = s.move(ctx, r, r.Version)
		if err == nil {
			return true, nil
		}
		if !is(err, driver.ErrConflict, driver.ErrNotFound) {
			return false, err
		}
	}
}
