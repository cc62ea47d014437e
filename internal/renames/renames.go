// Package renames remembers which keys this process has renamed recently. It stands in for
// [driver.RenameTracker] where a store does not implement it, with the limit that a process
// knows its own renames only. Its memory is bounded: beyond the bound the oldest renames are
// forgotten early.
package renames

import (
	"sync"
	"time"

	"gosession.dev/session/driver"
)

// maxRenames bounds the memory to some 30 MB.
const maxRenames = 100_000

// Memory remembers renames for [driver.MarkLifetime]. If there are more than 100,000, it forgets
// the oldest. The zero Memory is ready to use, and its methods are safe for concurrent use. All
// times must be readings of one monotonic clock.
type Memory struct {
	mu    sync.Mutex // guards the fields below
	byKey map[string]rename
	order []string // oldest first; each key once
}

type rename struct {
	to string
	at time.Duration
}

// Add records that key was renamed to another key, or, if happened is false, that it may have
// been. A rename that only may have happened does not replace another one.
func (m *Memory) Add(key, to string, happened bool, now time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey == nil {
		m.byKey = map[string]rename{}
	}
	if r, noted := m.byKey[key]; noted {
		if happened {
			m.byKey[key] = rename{to, r.at}
		}
		return
	}
	for len(m.order) > 0 && (len(m.order) >= maxRenames || now-m.byKey[m.order[0]].at > driver.MarkLifetime) {
		delete(m.byKey, m.order[0])
		m.order = m.order[1:]
	}
	m.byKey[key] = rename{to, now}
	m.order = append(m.order, key)
}

// Find returns the rename of key, or [driver.ErrNotFound] if none is remembered.
func (m *Memory) Find(key string, now time.Duration) (driver.Rename, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, found := m.byKey[key]
	age := now - r.at
	if !found || age > driver.MarkLifetime {
		return driver.Rename{}, driver.ErrNotFound
	}
	return driver.Rename{To: r.to, Age: age}, nil
}
