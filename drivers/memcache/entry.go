package memcache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// entry is a parsed item.
type entry struct {
	*driver.Record // of a record or a pending copy; Version is the one that the store returns
	kind           kind
	token          uint64 // for cas
	epoch          uint64 // the one that the record carries
	current        *epoch // the subject's epoch when get found the record alive; nil without a subject
	mark           mark
}

// isLiveMark reports whether e is a mark that has not expired. It is false for a nil entry.
func (e *entry) isLiveMark() bool { return e != nil && e.kind == isMark && e.mark.live(time.Now()) }

// get returns the live record under key, which may be a pending copy. If there is none, the error
// is ErrNotFound, and the entry is the item that is there instead: a mark, an ended item, or a
// record that has expired or ended by the epoch of its subject. The entry is nil if there is no
// item. With ErrCorrupt only the entry's token is set.
func (s *Store) get(ctx context.Context, key string) (*entry, error) {
	it, err := s.fetch(ctx, s.recordKey(key))
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, driver.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	e, err := parse(key, it)
	if err != nil || e.Subject == "" {
		return e, err
	}
	ep, err := s.epoch(ctx, e.Subject)
	switch {
	case err != nil:
	case !ep.admits(key, e.epoch):
		return s.ended(ctx, e)
	default:
		e.current = ep
	}
	return e, err
}

// ended returns e and ErrNotFound for a record that the epoch of its subject does not admit. But
// if the record was replaced before the epoch was read, it may have moved to another subject, and
// ended reads it again.
func (s *Store) ended(ctx context.Context, e *entry) (*entry, error) {
	it, err := s.fetch(ctx, s.recordKey(e.Key))
	switch {
	case err == nil && it.CasID != e.token:
		return s.get(ctx, e.Key)
	case err == nil || errors.Is(err, memcache.ErrCacheMiss):
		return e, driver.ErrNotFound
	}
	return nil, err
}

// parse parses an item. It returns what get returns, but does not check epochs.
func parse(key string, it *memcache.Item) (*entry, error) {
	e := &entry{kind: kind(it.Flags), token: it.CasID}
	var err error
	switch e.kind {
	case isRecord, isPending:
		return e, e.parseRecord(key, it.Value)
	case isMark:
		e.mark, err = parseMark(it.Value)
	case isEnded:
	default:
		err = fmt.Errorf("%w: the flags of the item are unknown", driver.ErrCorrupt)
	}
	if err == nil {
		err = driver.ErrNotFound
	}
	return e, err
}

func (e *entry) parseRecord(key string, value []byte) error {
	r, err := driver.ParseEnvelope(key, value)
	if err != nil {
		return err
	}
	e.Record, e.epoch = r, r.Version
	if r.Version, err = version(e.token, e.epoch); err != nil {
		return err
	}
	if !time.Now().Before(r.Expires) {
		return driver.ErrNotFound
	}
	return nil
}
