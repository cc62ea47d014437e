package memcache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// entry is what was found under a key.
type entry struct {
	*driver.Record // of a record or a pending copy; its Version is the one that the store tells
	kind           kind
	token          uint64 // for cas
	epoch          uint64 // that the record carries
	current        uint64 // that of its subject when the record was found alive
	mark           mark
}

// marked reports whether a live mark was found. A nil entry has none.
func (e *entry) marked() bool { return e != nil && e.kind == isMark && e.mark.live(time.Now()) }

// get returns the live record under key, which may be a pending copy. If there is
// none, the error is ErrNotFound, and the entry is what else was found there (a
// mark, an ended item, a record that has expired or that the epoch of its subject
// has ended), or nil. With ErrCorrupt the entry has a token only.
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
		e.current = ep.Number
	}
	return e, err
}

// ended returns e, which its subject's epoch does not admit, unless it was replaced
// before that epoch was read: then it had not ended, but moved to another subject.
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

// parse takes an item apart. It knows nothing of epochs; the rest is as get says.
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
