// Package orphans remembers sessions that are in a store although no client has their ID: their
// sign-in was refused after it was stored, or their creation got no answer and was discarded.
// Such a session still counts for its subject and appears in listings, so package session ends it
// once the store answers again. The memory is bounded; a session that is not remembered ends when
// it expires.
package orphans

import (
	"maps"
	"slices"
	"sync"
)

// Max is the maximum number of keys in a Set.
const Max = 10_000

// A Set holds the keys of such sessions by subject. The zero Set is empty and ready to use. Its
// methods are safe for concurrent use.
type Set struct {
	mu    sync.Mutex // guards the fields below
	of    map[string][]string
	count int
}

// Add adds the key of a session of subject. It does nothing if the Set has Max keys.
func (s *Set) Add(subject, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == Max {
		return
	}
	if s.of == nil {
		s.of = map[string][]string{}
	}
	s.of[subject] = append(s.of[subject], key)
	s.count++
}

// Take removes the keys of a subject and returns them. Of concurrent calls, only one returns a key.
func (s *Set) Take(subject string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.of[subject]
	delete(s.of, subject)
	s.count -= len(keys)
	return keys
}

// Subjects returns the subjects that have keys, in no particular order.
func (s *Set) Subjects() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.of))
}
