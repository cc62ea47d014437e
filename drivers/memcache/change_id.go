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
//  1. add a copy under the new key, flagged as pending,
//  2. read the copy, for its token,
//  3. replace the old record by a mark, by cas on r.Version: this step decides,
//  4. remove the copy's flag, by cas on its token.
//
// A process that dies before step 3 leaves the session under its old key, and a pending copy whose
// ID no client knows. After step 3 the session is the copy: it is alive, and the next write removes
// the flag. If another call has removed the copy since, step 4 does not bring it back.
//
// Step 2 comes before step 3, so that a session never moves to a copy that the server has already
// evicted.
//
// ChangeID sets r.Version to 0, which means not known.
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
	checkOld := func() error { return s.checkVersion(ctx, oldKey, r.Version) }
	c, err := s.addCopy(ctx, it, r.Key, checkOld)
	if errors.Is(err, driver.ErrExists) {
		return cmp.Or(checkOld(), err)
	}
	if err != nil {
		return err
	}
	err = s.cas(ctx, s.markItem(oldKey, mark{to: r.Key, at: time.Now()}), tokenOf(r.Version))
	if rejected(err) {
		err = s.refusedMark(ctx, oldKey, c)
	}
	if err != nil {
		return err // after an outage the mark may have been written, so the copy stays
	}
	it.Flags = uint32(isRecord)
	_ = s.cas(ctx, it, c.token) // the session has moved, even if this fails
	r.Version = 0
	return nil
}

// pendingCopy is a copy that becomes the session in step 3.
type pendingCopy struct {
	key   string
	token uint64
	found bool // an earlier call has added it
}

// addCopy adds a pending copy. If an equal one is there already, addCopy uses it: an earlier
// attempt of the same call, whose outcome the caller does not know, has added it. Apart from that
// package session never writes the same data twice. If an ended item is there, the session may
// have moved to it and ended since; addCopy replaces it only if checkOld returns nil.
func (s *Store) addCopy(ctx context.Context, it *memcache.Item, key string, checkOld func() error) (pendingCopy, error) {
	added := s.add(ctx, it, key, checkOld)
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

// errCopyLost leaves the session under the old key.
var errCopyLost = errors.New("memcached: the copy under the new key was removed or evicted before the session could move to it")

// checkVersion returns nil if the record under key is alive and has that version.
func (s *Store) checkVersion(ctx context.Context, key string, version uint64) error {
	e, err := s.get(ctx, key)
	if err == nil && e.Version != version {
		err = driver.ErrConflict
	}
	return err
}

// refusedMark is called after the server refused to replace the old record by a mark. It returns
// nil if an earlier attempt has moved the session to c already. Otherwise it removes the copy and
// returns the reason. A mark that leads to a copy which this attempt had to add again is not
// success: the session had moved to the earlier copy, and has ended there.
func (s *Store) refusedMark(ctx context.Context, oldKey string, c pendingCopy) error {
	old, err := s.get(ctx, oldKey)
	switch {
	case err == nil:
		err = driver.ErrConflict
	case c.found && old.isLiveMark() && old.mark.to == c.key:
		return nil
	case !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrCorrupt):
		return err // an outage: the session may have moved
	}
	if undo := s.undo(ctx, c); undo != nil {
		return undo // an outage: the copy may still be there
	}
	return err
}

// undo ends the copy, also if another call has changed it meanwhile.
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
