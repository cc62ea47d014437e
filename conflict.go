package session

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	firstPause = time.Millisecond
	maxPause   = 32 * time.Millisecond
)

// conflict reads the session again, when it is this writer's turn or after a pause.
func (m *merging) conflict(cause error) (again bool, err error) {
	if m.takeTurn() {
		err = m.reloadHanded()
	} else if again, err = m.pause(cause); again {
		err = m.s.reload(m.ctx)
	}
	if isGone(err) {
		return m.gone(err)
	}
	return err == nil, err
}

// takeTurn waits for this writer's turn, after the first conflict.
func (m *merging) takeTurn() bool {
	if m.conflicts++; m.conflicts > 1 || m.ctx.Err() != nil {
		return false
	}
	m.s.mu.Lock()
	m.turnKey = m.s.key
	m.s.mu.Unlock()
	m.turn = m.f.turns.take(m.ctx, m.turnKey, m.until)
	m.until = time.Now().Add(m.f.cfg.StoreTimeout) // the wait for the turn was no wait for the store
	return m.turn != nil
}

func (m *merging) giveTurn() {
	if m.turn != nil {
		m.f.turns.give(m.turnKey, m.turn, m.stored)
	}
}

// reloadHanded is reload, of the record that the holder of the turn before has left if
// there is one.
func (m *merging) reloadHanded() error {
	if m.turn.record == nil || m.turn.record.Version == 0 {
		return m.s.reload(m.ctx)
	}
	rec := *m.turn.record
	fresh, content, err := m.f.decode(&rec)
	if err != nil {
		return err
	}
	return m.s.install(fresh, content)
}

// pause waits for a random time, so that competing writers do not collide again, from a
// range that doubles with the number of conflicts and is at least what a write takes. It
// gives up when the time for the merge is over.
func (m *merging) pause(cause error) (again bool, err error) {
	longest := max(min(firstPause<<min(m.conflicts, 10), maxPause), m.latency)
	if time.Until(m.until) <= 0 {
		return false, fmt.Errorf("%w, %d times in a row: %w", cause, m.conflicts, m.f.noAnswer)
	}
	select {
	case <-time.After(rand.N(longest)):
		return true, nil
	case <-m.ctx.Done():
		return false, fmt.Errorf("%w, %d times in a row: %w", cause, m.conflicts, context.Cause(m.ctx))
	}
}

// reload reads the session again and applies the changes to that. They may run
// code of the caller, see [Update], so the session is not locked meanwhile; if it
// is changed meanwhile, they are applied once more.
func (s *Session) reload(ctx context.Context) error {
	s.mu.Lock()
	key := s.key
	s.mu.Unlock()
	fresh, content, err := s.f.load(ctx, key)
	if err != nil {
		return err
	}
	return s.install(fresh, content)
}

// install replaces what is known of the stored session, and applies the changes to that.
func (s *Session) install(fresh stored, content state) error {
	if err := s.findTried(fresh.meta.writes); err != nil {
		return err
	}
	for {
		s.mu.Lock()
		before, changes := s.edits, slices.Clone(s.changes)
		s.mu.Unlock()
		merged := content.clone()
		if err := applyAll(&merged, changes); err != nil {
			return err
		}
		if s.replaceStored(before, fresh, merged) {
			return nil
		}
	}
}

// replaceStored installs what reload made of the changes up to the edit before,
// and reports whether there were no more.
func (s *Session) replaceStored(before uint64, fresh stored, merged state) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.edits != before {
		return false
	}
	s.stored, s.state = fresh, merged
	s.edits++
	return true
}

// forgetVersion makes the next conditional write read the session first.
func (s *Session) forgetVersion() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored.version = 0
}
