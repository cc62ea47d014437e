package memcache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// mark is the content of an item that ChangeID leaves under the old key.
type mark struct {
	to string    // the new key
	at time.Time // when the ID changed
}

func (m mark) live(now time.Time) bool { return now.Sub(m.at) < driver.MarkLifetime }

// markItem encodes a mark: the time in Unix milliseconds as 8 bytes, big-endian, then the new key.
func (s *Store) markItem(key string, m mark) *memcache.Item {
	value := binary.BigEndian.AppendUint64(nil, uint64(m.at.UnixMilli()))
	return &memcache.Item{
		Key:        s.recordKey(key),
		Value:      append(value, m.to...),
		Flags:      uint32(isMark),
		Expiration: expiration(m.at.Add(driver.MarkLifetime)),
	}
}

func parseMark(value []byte) (mark, error) {
	if len(value) < 9 {
		return mark{}, fmt.Errorf("%w: the mark is truncated", driver.ErrCorrupt)
	}
	at := int64(binary.BigEndian.Uint64(value))
	return mark{to: string(value[8:]), at: time.UnixMilli(at)}, nil
}

// Renamed implements [driver.RenameTracker].
func (s *Store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	it, err := s.fetch(ctx, s.recordKey(key))
	if errors.Is(err, memcache.ErrCacheMiss) || err == nil && kind(it.Flags) != isMark {
		return driver.Rename{}, driver.ErrNotFound
	}
	if err != nil {
		return driver.Rename{}, err
	}
	m, err := parseMark(it.Value)
	if err != nil {
		return driver.Rename{}, err
	}
	now := time.Now()
	if !m.live(now) {
		return driver.Rename{}, driver.ErrNotFound
	}
	return driver.Rename{To: m.to, Age: max(now.Sub(m.at), 0)}, nil
}
