package move

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"gosession.dev/session/driver"
)

// ChangeID renames a record in the new store, and first moves it there if it is in the old one.
// If s is preparing, or if the new store can't hold the record, it is renamed in the old
// store.
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

// rename replaces stored, which is at the given place, with r under r.Key, and returns the place
// of r.
func (s *Store) rename(ctx context.Context, r, stored *driver.Record, at place) (place, error) {
	if at == inNew {
		if err := s.checkFreeInOld(ctx, r.Key); err != nil {
			return nowhere, err
		}
		return inNew, s.renameNew(ctx, r, stored)
	}
	there, err := s.checkFree(ctx, r.Key)
	if err != nil {
		return nowhere, err
	}
	isFree := there == nowhere // a grave in the new store would hide r in the old one
	if !s.preparing || !isFree {
		moved, err := s.moveToNew(ctx, stored)
		switch {
		case err != nil:
			return nowhere, err
		case moved != nil:
			return inNew, s.renameNew(ctx, r, moved)
		case !isFree:
			return nowhere, driver.ErrTooLarge
		}
	}
	if stored.Version == 0 { // the store has not returned it
		now, err := s.old.Retrieve(ctx, stored.Key)
		if err != nil || !isSame(now, stored) {
			return nowhere, cmp.Or(err, driver.ErrConflict)
		}
		stored = now
	}
	r.Version = stored.Version
	return inOld, s.old.ChangeID(ctx, stored.Key, r)
}

// checkFree returns ErrExists if either store has a live record, a record that can't be read or a
// mark under key. Otherwise it returns what is there: nothing or a grave.
func (s *Store) checkFree(ctx context.Context, key string) (place, error) {
	_, at, err := s.find(ctx, key)
	switch {
	case errors.Is(err, driver.ErrCorrupt):
		return nowhere, driver.ErrExists
	case err != nil:
		return nowhere, err
	case at == inOld || at == inNew:
		return nowhere, driver.ErrExists
	case at == nowhere:
		err = cmp.Or(checkUnmarked(ctx, s.new, key), checkUnmarked(ctx, s.old, key))
	}
	return at, err
}

// moveToNew moves a record to the new store and returns the record there, or nil if the new store
// can't hold it.
func (s *Store) moveToNew(ctx context.Context, r *driver.Record) (*driver.Record, error) {
	if fits, err := s.move(ctx, r); err != nil || !fits {
		return nil, err
	}
	moved, at, err := s.findNew(ctx, r.Key)
	if err == nil && (at != inNew || !isSame(moved, r)) {
		err = driver.ErrConflict
	}
	return moved, err
}

// isSame reports whether a record that has moved has the same content as before.
func isSame(moved, before *driver.Record) bool {
	return bytes.Equal(moved.Data, before.Data) && bytes.Equal(moved.Meta, before.Meta) && moved.Subject == before.Subject
}

// renameNew renames stored, which is in the new store, to r.
//
// A new store that keeps marks renames in one step. Like a grave, the mark keeps a process that
// still holds the frozen record of the old key from creating that record again, but only for
// MarkLifetime. That suffices. First, the old store has nothing under the old key: renameNew
// clears a frozen record that a dead process may have left, and no later write to the old store
// under this key inserts a record. Second, a process that has read the frozen record before does
// not use it for longer than [patience], which is shorter than MarkLifetime; see [Store.complete].
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

// clearDelay is how long clearGrave waits for a grave to expire.
const clearDelay = 2 * time.Millisecond

// clearGrave lets the grave under key in the new store expire, and reports whether there was one.
// A record that can't be read does not count as a grave. Destroy would be wrong, because another
// process may have used the key again meanwhile. Only tests use a key twice.
func (s *Store) clearGrave(ctx context.Context, key string) (bool, error) {
	r, at, err := s.findNew(ctx, key)
	if err != nil || at != buried {
		return false, ignore(err, driver.ErrCorrupt)
	}
	if time.Until(r.Expires) > clearDelay {
		r.Expires = time.Now().Add(clearDelay).UTC().Truncate(time.Millisecond)
		if err := ignore(s.new.Flush(ctx, r), driver.ErrConflict, driver.ErrNotFound); err != nil {
			return false, err
		}
	}
	select {
	case <-time.After(clearDelay):
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// undoTimeout is how long the undo of a rename may take, even if the caller's context has ended.
const undoTimeout = time.Second

// renameInTwoSteps creates r in the new store and then replaces the record under the old key with
// a grave; no client has the new ID before that. If the old record has changed meanwhile, it
// removes r. After any other error it keeps r, which may be all that is left of the session,
// although no client has its ID.
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
