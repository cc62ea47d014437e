package move

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"gosession.dev/session/driver"
)

// ChangeID renames a record that is in the new store there, and moves one that is in the
// old store first. What is to stay in the old store, or does not fit into the new one, is
// renamed where it is.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.change(ctx, oldKey, isVersion(r.Version), func(stored *driver.Record, at place) error {
		next := copyOf(r)
		at, err := s.rename(ctx, next, stored, at)
		if err == nil {
			r.Version = version(next, at)
		}
		return err
	})
}

// rename makes r of stored, and returns where it is then.
func (s *Store) rename(ctx context.Context, r, stored *driver.Record, at place) (place, error) {
	if at == inNew {
		if err := s.freeInOld(ctx, r.Key); err != nil {
			return nowhere, err
		}
		return inNew, s.renameNew(ctx, r, stored)
	}
	there, err := s.free(ctx, r.Key)
	if err != nil {
		return nowhere, err
	}
	isFree := there == nowhere // a grave in the new store would hide it
	if !s.stays || !isFree {
		moved, err := s.moved(ctx, stored)
		switch {
		case err != nil:
			return nowhere, err
		case moved != nil:
			return inNew, s.renameNew(ctx, r, moved)
		case !isFree:
			return nowhere, driver.ErrTooLarge
		}
	}
	if stored.Version == 0 { // the store did not tell
		now, err := s.old.Retrieve(ctx, stored.Key)
		if err != nil || !isSame(now, stored) {
			return nowhere, cmp.Or(err, driver.ErrConflict)
		}
		stored = now
	}
	r.Version = stored.Version
	return inOld, s.old.ChangeID(ctx, stored.Key, r)
}

// free returns ErrExists if either store has a live record or a mark under key, or else
// what is there: nothing or a grave.
func (s *Store) free(ctx context.Context, key string) (place, error) {
	_, at, err := s.find(ctx, key)
	switch {
	case err != nil:
		return nowhere, err
	case at == inOld || at == inNew:
		return nowhere, driver.ErrExists
	case at == nowhere:
		err = cmp.Or(unmarked(ctx, s.new, key), unmarked(ctx, s.old, key))
	}
	return at, err
}

// moved moves a record to the new store, and returns it as it is there, or nil if it does
// not fit.
func (s *Store) moved(ctx context.Context, r *driver.Record) (*driver.Record, error) {
	if fits, err := s.move(ctx, r); err != nil || !fits {
		return nil, err
	}
	moved, at, err := s.findNew(ctx, r.Key)
	if err == nil && (at != inNew || !isSame(moved, r)) {
		err = driver.ErrConflict
	}
	return moved, err
}

// isSame tells whether what has moved is what it was.
func isSame(moved, before *driver.Record) bool {
	return bytes.Equal(moved.Data, before.Data) && bytes.Equal(moved.Meta, before.Meta) && moved.Subject == before.Subject
}

// renameNew makes r of stored, which is in the new store.
//
// A new store that keeps marks does it in one step. The mark holds the key against a
// process that still has the frozen record of it in hand, as a grave would, but for
// MarkLifetime only. That is enough. Nothing is left in the old store by then: a process
// that died may have left the frozen record there, so the old store is cleared first, and
// it can't come back, because nothing that writes to the old store under this key inserts.
// And a process that has read the frozen record before that refuses to go on with it
// after [patience], which is shorter than MarkLifetime; see [Store.complete].
func (s *Store) renameNew(ctx context.Context, r, stored *driver.Record) error {
	r.Created = stored.Created
	if !tracks(s.new) {
		return s.renameInTwoSteps(ctx, r, stored)
	}
	if err := s.clear(ctx, stored.Key); err != nil {
		return err
	}
	r.Version = stored.Version
	for {
		err := s.new.ChangeID(ctx, stored.Key, r)
		if !errors.Is(err, driver.ErrExists) {
			return err
		}
		if cleared, clearErr := s.clearGrave(ctx, r.Key); !cleared {
			return cmp.Or(clearErr, err)
		}
	}
}

// graveEnd is how long the grave under a key lasts that is to be used again.
const graveEnd = 2 * time.Millisecond

// clearGrave has a grave in the new store expire, and reports whether there was one.
// Destroy would not do: another process may have used the key again meanwhile. Only tests
// use a key twice.
func (s *Store) clearGrave(ctx context.Context, key string) (bool, error) {
	r, at, err := s.findNew(ctx, key)
	if err != nil || at != buried {
		return false, err
	}
	if time.Until(r.Expires) > graveEnd {
		r.Expires = time.Now().Add(graveEnd).UTC().Truncate(time.Millisecond)
		if err := ignore(s.new.Flush(ctx, r), driver.ErrConflict, driver.ErrNotFound); err != nil {
			return false, err
		}
	}
	select {
	case <-time.After(graveEnd):
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// undoTimeout is how long an undo may take, after the time of the caller is over.
const undoTimeout = time.Second

// renameInTwoSteps creates r in the new store, and buries what is under the old key then:
// nobody knows the new ID before that is done. If that has changed meanwhile, r is removed.
// After any other error it may be all that is left of the session; nobody has its ID.
func (s *Store) renameInTwoSteps(ctx context.Context, r, stored *driver.Record) error {
	if err := New(s.new, s.old).Create(ctx, r); err != nil {
		return err
	}
	err := s.new.Flush(ctx, grave(stored.Key, stored.Expires, stored.Version))
	if !is(err, driver.ErrConflict, driver.ErrNotFound) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if undo := s.new.Destroy(ctx, r.Key); ignore(undo, driver.ErrNotFound) != nil {
		return undo
	}
	return err
}
