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

// conflict waits for this write's turn, or for a pause, and reads the session again.
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

// takeTurn waits, after the first conflict, for this write's turn among the writes of this
// process to the session. It reports whether it got it.
func (m *merging) takeTurn() bool {
	if m.conflicts++; m.conflicts > 1 || m.ctx.Err() != nil {
		return false
	}
	m.s.mu.Lock()
	key := m.s.key
	m.s.mu.Unlock()
	m.turn = m.f.locks.Acquire(m.ctx, key, m.until)
	m.until = time.Now().Add(m.f.cfg.StoreTimeout) // waiting for the turn takes nothing from StoreTimeout
	return m.turn != nil
}

// giveTurn ends this write's turn, and leaves the stored record to the next one.
func (m *merging) giveTurn() {
	if m.turn != nil {
		m.turn.Release(m.stored)
	}
}

// reloadHanded is like reload, but takes the record from the previous holder of the turn, if
// there is one, instead of reading it.
func (m *merging) reloadHanded() error {
	left := m.turn.Record()
	if left == nil || left.Version == 0 {
		return m.s.reload(m.ctx)
	}
	rec := *left
	fresh, content, err := m.f.decode(&rec)
	if err != nil {
		return err
	}
	return m.s.install(fresh, content)
}

// pause waits for a random time, so that competing writers do not collide again. The longest
// time doubles with each conflict, up to maxPause, and is at least the latency of a write. pause
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

// reload reads the session again and applies the changes to it. They may run the application's
// code, see [Update], so the session is not locked meanwhile. If it is changed meanwhile, the
// changes are applied once more.
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

// install replaces the stored session by a newly read one, and applies the changes to that.
func (s *Session) install(fresh stored, content state) error {
	if err := s.findUnanswered(fresh.meta.Writes); err != nil {
		return err
	}
	return computeSteadily(func() (done bool, err error) {
		s.mu.Lock()
		before, changes := s.edits, slices.Clone(s.changes)
		s.mu.Unlock()
		merged := content.clone()
		if err := s.computeAll(&merged, changes); err != nil {
			return false, err
		}
		return s.replaceStored(before, fresh, merged), nil
	})
}

// replaceStored installs the result of install, unless the session has changed since the edit
// before. It reports whether it did.
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
