package memory

import (
	"container/heap"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

// shard holds a part of the records. The caller of a method holds mu, except for appendKeys and
// appendKeysOf, which lock it.
type shard struct {
	index int

	mu       sync.Mutex // guards the fields below
	entries  map[string]*entry
	subjects map[string]map[*entry]struct{}
	byExpiry expiryHeap
	marks    marks
}

func (sh *shard) init(index int) {
	sh.index = index
	sh.entries = map[string]*entry{}
	sh.subjects = map[string]map[*entry]struct{}{}
}

// lockBoth locks two shards in the order of their indexes, so that two calls can't deadlock, and
// returns the function that unlocks them. Both may be the same shard.
func lockBoth(a, b *shard) (unlock func()) {
	if a == b {
		a.mu.Lock()
		return a.mu.Unlock
	}
	if a.index > b.index {
		a, b = b, a
	}
	a.mu.Lock()
	b.mu.Lock()
	return func() {
		b.mu.Unlock()
		a.mu.Unlock()
	}
}

// current returns the live entry under key if it has that version. Otherwise the error is
// ErrNotFound or ErrConflict.
func (sh *shard) current(key string, version uint64, now time.Time) (*entry, error) {
	e := sh.entries[key]
	switch {
	case e == nil || !e.live(now):
		return nil, driver.ErrNotFound
	case e.version != version:
		return nil, driver.ErrConflict
	}
	return e, nil
}

// vacant reports whether a record can be added under key. The caller first removes expired,
// unless it is nil.
func (sh *shard) vacant(key string, now time.Time) (expired *entry, free bool) {
	if _, marked := sh.marks.find(key, now); marked {
		return nil, false
	}
	e := sh.entries[key]
	return e, e == nil || !e.live(now)
}

func (sh *shard) add(e *entry) {
	sh.entries[e.key] = e
	heap.Push(&sh.byExpiry, e)
	sh.addSubject(e)
}

func (sh *shard) remove(e *entry) {
	delete(sh.entries, e.key)
	heap.Remove(&sh.byExpiry, int(e.position))
	sh.removeSubject(e)
}

// replace gives e all fields of next but the time of creation.
func (sh *shard) replace(e *entry, next entry) {
	sh.removeSubject(e)
	e.subject, e.content, e.metaSize, e.version = next.subject, next.content, next.metaSize, next.version
	sh.addSubject(e)
	sh.reschedule(e, next.expires)
}

func (sh *shard) reschedule(e *entry, expires int64) {
	if e.expires != expires {
		e.expires = expires
		heap.Fix(&sh.byExpiry, int(e.position))
	}
}

func (sh *shard) addSubject(e *entry) {
	if e.subject == "" {
		return
	}
	entries := sh.subjects[e.subject]
	if entries == nil {
		entries = map[*entry]struct{}{}
		sh.subjects[e.subject] = entries
	}
	entries[e] = struct{}{}
}

func (sh *shard) removeSubject(e *entry) {
	if e.subject == "" {
		return
	}
	entries := sh.subjects[e.subject]
	delete(entries, e)
	if len(entries) == 0 {
		delete(sh.subjects, e.subject)
	}
}

// appendKeys appends the keys of live records to keys, and returns the result.
func (sh *shard) appendKeys(now time.Time, keys []string) []string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for key, e := range sh.entries {
		if e.live(now) {
			keys = append(keys, key)
		}
	}
	return keys
}

// appendKeysOf is appendKeys for the records of one subject.
func (sh *shard) appendKeysOf(subject string, now time.Time, keys []string) []string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for e := range sh.subjects[subject] {
		if e.live(now) {
			keys = append(keys, e.key)
		}
	}
	return keys
}
