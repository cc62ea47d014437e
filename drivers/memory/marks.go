package memory

import (
	"context"
	"time"

	"gosession.dev/session/driver"
)

// marks holds the renamed keys of a shard. The mutex of the shard guards it.
type marks struct {
	byKey map[string]mark
	order []string // each key once, oldest first
}

// mark records that ChangeID renamed a key.
type mark struct {
	to string    // the new key
	at time.Time // when it was renamed
}

func (m mark) live(now time.Time) bool { return now.Sub(m.at) < driver.MarkLifetime }

func (ms *marks) add(key string, m mark) {
	ms.deleteExpired(m.at)
	if ms.byKey == nil {
		ms.byKey = map[string]mark{}
	}
	ms.byKey[key] = m
	ms.order = append(ms.order, key)
}

// find returns the live mark under key.
func (ms *marks) find(key string, now time.Time) (mark, bool) {
	m, found := ms.byKey[key]
	return m, found && m.live(now)
}

// deleteExpired deletes the marks that are older than MarkLifetime.
func (ms *marks) deleteExpired(now time.Time) {
	n := 0
	for n < len(ms.order) && !ms.byKey[ms.order[n]].live(now) {
		delete(ms.byKey, ms.order[n])
		n++
	}
	ms.order = ms.order[n:]
	if len(ms.order) == 0 {
		ms.order = nil // frees the array
	}
}

// Renamed implements [driver.RenameTracker].
func (s *store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	if err := s.usable(ctx); err != nil {
		return driver.Rename{}, err
	}
	now := s.now()
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	m, found := sh.marks.find(key, now)
	if !found {
		return driver.Rename{}, driver.ErrNotFound
	}
	return driver.Rename{To: m.to, Age: max(now.Sub(m.at), 0)}, nil
}
