package memcache

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// ChangeID implements [driver.Store] in four steps:
//
//  1. add the copy under the new key, flagged as pending,
//  2. get it, for its token,
//  3. replace the old record by a mark, by cas on r.Version: this decides,
//  4. remove the flag of the copy, by cas on its token.
//
// A process that dies before step 3 leaves the session under its old key, and a
// pending copy whose ID no client knows. After step 3 the session is the copy: it is
// alive, and the next write removes the flag. If another call has removed the copy
// since, step 4 does not bring it back.
//
// The copy is read before the deciding step, not after it, so that a session never
// moves to a copy that the server has already evicted.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	if r.Version == 0 {
		return s.refusal(ctx, oldKey)
	}
	epoch, err := s.epochToWrite(ctx, oldKey, r)
	if err != nil {
		return err
	}
	it, err := s.item(r, epoch)
	if err != nil {
		return err
	}
	it.Flags = uint32(isPending)
	judge := func() error { return s.judge(ctx, oldKey, r.Version) }
	c, err := s.addCopy(ctx, it, r.Key, judge)
	if errors.Is(err, driver.ErrExists) {
		return cmp.Or(judge(), err)
	}
	if err != nil {
		return err
	}
	err = s.cas(ctx, s.markItem(oldKey, mark{to: r.Key, at: time.Now()}), tokenOf(r.Version))
	if rejected(err) {
		err = s.refusedMark(ctx, oldKey, c)
	}
	if err != nil {
		return err // if it is not one of package driver, the mark may be there: the copy stays
	}
	it.Flags = uint32(isRecord)
	_ = s.cas(ctx, it, c.token) // the session has moved, whatever comes of this
	r.Version = 0
	return nil
}

// pendingCopy is a copy that may become the session.
type pendingCopy struct {
	key   string
	token uint64
	found bool // it is that of an earlier call
}

// addCopy adds a pending copy. If one is there already that is equal, it is that of an
// earlier call, whose outcome the caller was not told: package session never writes
// the same data twice otherwise. If an ended one is there, an earlier call may have moved
// the session to it, and the session has ended since: judge tells.
func (s *Store) addCopy(ctx context.Context, it *memcache.Item, key string, judge func() error) (pendingCopy, error) {
	added := s.add(ctx, it, key, judge)
	if added != nil && !errors.Is(added, driver.ErrExists) {
		return pendingCopy{}, added
	}
	there, err := s.fetch(ctx, it.Key)
	switch {
	case err != nil && !errors.Is(err, memcache.ErrCacheMiss):
		return pendingCopy{}, err
	case err == nil && there.Flags == it.Flags && bytes.Equal(there.Value, it.Value):
		return pendingCopy{key, there.CasID, added != nil}, nil
	case added != nil:
		return pendingCopy{}, added
	}
	return pendingCopy{}, errCopyLost
}

// errCopyLost: the old record is still there.
var errCopyLost = errors.New("memcached: the copy under the new key was removed or evicted before the session could move to it")

// judge returns nil if the record under key is alive and of that version.
func (s *Store) judge(ctx context.Context, key string, version uint64) error {
	e, err := s.get(ctx, key)
	if err == nil && e.Version != version {
		err = driver.ErrConflict
	}
	return err
}

// refusedMark returns why the old record could not be replaced by a mark, after it
// has undone the copy. If there is a mark to the copy, an earlier call has left it, and
// the session has moved: then refusedMark returns nil. But it moved to the copy of that
// call; if this one had to add the copy again, the session has ended there.
func (s *Store) refusedMark(ctx context.Context, oldKey string, c pendingCopy) error {
	old, err := s.get(ctx, oldKey)
	switch {
	case err == nil:
		err = driver.ErrConflict
	case c.found && old.marked() && old.mark.to == c.key:
		return nil
	case !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrCorrupt):
		return err // it is not known whether the session has moved
	}
	if undo := s.undo(ctx, c); undo != nil {
		return undo // an outage: the copy may still be there
	}
	return err
}

// undo ends a copy, in whatever state it is by now.
func (s *Store) undo(ctx context.Context, c pendingCopy) error {
	err := s.cas(ctx, s.endedItem(c.key), c.token)
	if errors.Is(err, driver.ErrConflict) {
		err = s.Destroy(ctx, c.key)
	}
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}
