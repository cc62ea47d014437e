package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/keylock"
)

// write stores what has to be stored, unless the session turns out to be gone.
func (s *Session) write(ctx context.Context) error {
	return s.exclusively(ctx, func() error { return s.writeExclusively(ctx) })
}

// writeExclusively is like write, for callers that run in exclusively.
func (s *Session) writeExclusively(ctx context.Context) error {
	err := s.merge(ctx)
	switch {
	case isGone(err), isClientGone(err) && (s.IsNew() || s.signsIn()):
		s.drop(ctx)
	case errors.Is(err, ErrConflict):
		s.f.counts.mergesFailed.Add(1)
	}
	return err
}

// drop ends a session that was found gone, and drops its pending changes.
func (s *Session) drop(ctx context.Context) {
	s.mu.Lock()
	asks := s.phase == live && (len(s.changes) > 0 || s.watch != nil) // whether the reason is needed
	in := s.pendingSignInLocked()
	s.mu.Unlock()
	why := ReasonUnknown
	if asks {
		why = s.whyGone(ctx)
	}
	var ending endingContexts
	defer ending.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pendingSignInLocked() != in {
		return // another goroutine has just signed in; the next write decides whether that begins a new session
	}
	if len(s.changes) > 0 {
		s.f.counts.dropped.Add(1)
	}
	s.wasOvertaken = s.wasOvertaken || why == ReasonChangedID
	ending = s.endLocked(lost, why)
}

// maxTaken is how many IDs in a row may be taken before a write gives up.
const maxTaken = 10

// merge stores the session on the condition that no other request has stored it since it was
// read (optimistic concurrency). After a conflict merge reads the session again, applies the
// changes of this request to the new state, and tries again, for at most StoreTimeout. So no
// request loses another's change.
func (s *Session) merge(ctx context.Context) error {
	m := merging{s: s, f: s.f, ctx: ctx, until: time.Now().Add(s.f.cfg.StoreTimeout)}
	defer m.giveTurn()
	for {
		if again, err := m.round(); !again {
			return err
		}
	}
}

// merging is the state of a call of merge.
type merging struct {
	s     *Session
	f     *Factory
	ctx   context.Context
	until time.Time // when to give up after a conflict

	conflicts int           // the number of conflicts
	taken     int           // the number of new IDs that were taken
	reloaded  bool          // whether the session was read again, for its version or its size
	lookedFor bool          // whether the outcome of an unanswered write was looked for
	latency   time.Duration // the latency of the last write

	turn   *keylock.Lock  // the lock that gives this write its turn after a conflict; nil if it is not held
	stored *driver.Record // the record that was last stored, for the next holder of that lock
}

// round makes one attempt to store the session, and reports whether another has to follow.
func (m *merging) round() (again bool, err error) {
	p, err := m.s.next()
	stale := err == nil && p.readsFirst() ||
		errors.Is(err, ErrTooLarge) && p.step != create // another request may have made the session smaller
	if stale && !m.reloaded {
		m.reloaded = true
		if err := m.s.reload(m.ctx); err != nil {
			return m.failed(&p, err)
		}
		return true, nil
	}
	if err != nil || p.step == nothing {
		return false, err
	}
	foundOut := p.unanswered
	if err := m.store(&p); err != nil {
		return m.failed(&p, err)
	}
	if err := m.s.confirm(m.ctx, &p); err != nil {
		return m.failed(&p, err)
	}
	m.s.settle(p)
	m.f.announce(m.ctx, &p)
	if p.step == flush {
		m.stored = p.record
	}
	return foundOut, nil // an unanswered write does not have the changes made since
}

// next returns the write of unknown outcome, if there is one, and else what has to be stored now.
func (s *Session) next() (pending, error) {
	s.mu.Lock()
	unsure := s.unsure
	s.mu.Unlock()
	if unsure != nil {
		return *unsure, nil
	}
	return s.prepare()
}

// store writes p. If p is a write of unknown outcome, store finds out whether it was done, and
// does it if it was not.
func (m *merging) store(p *pending) error {
	if p.unanswered {
		err := m.findOut(p)
		p.unanswered = isUnknown(err)
		return err
	}
	began := time.Now()
	if err := m.takeOwnSeat(p); err != nil {
		return err
	}
	if err := m.s.admit(m.ctx, p); err != nil {
		return err
	}
	m.until = m.until.Add(time.Since(began)) // counting sessions takes nothing from StoreTimeout
	if err := m.s.awaited(p); err != nil {
		return err
	}
	began = time.Now()
	err := m.f.callUntil(m.ctx, m.until, func(ctx context.Context) error { return m.f.perform(ctx, p) })
	m.latency = time.Since(began)
	p.unanswered = isUnknown(err)
	return err
}

// failed decides whether to go on after an error of a round.
func (m *merging) failed(p *pending, err error) (again bool, _ error) {
	m.s.fail(*p)
	switch {
	case errors.Is(err, errDiscarded):
		return true, nil
	case p.step == touch && errors.Is(err, errors.ErrUnsupported):
		m.f.noTouch.Store(true)
		return true, nil
	case p.movesOnly() && errors.Is(err, ErrConflict):
		m.s.forgetVersion()
		return !m.reloaded, nil // the competing write has moved the expiry too, unless its request stays idle
	case p.movesOnly() && !isGone(err):
		return false, m.postpone(err)
	case p.unanswered:
		return m.unanswered(err)
	case isGone(err) && p.replaces, errors.Is(err, ErrConflict) && p.replaces:
		m.conflicts++
		return m.pause(err)
	case isGone(err):
		return m.gone(err)
	case errors.Is(err, ErrConflict):
		return m.conflict(err)
	case errors.Is(err, ErrTooLarge):
		return false, fmt.Errorf("%w; %s", err, m.s.largest())
	case errors.Is(err, driver.ErrExists):
		m.taken++
		if m.taken == maxTaken {
			return false, errors.New("new IDs are taken again and again; Config.IDs is not random")
		}
		return true, nil
	case errors.Is(err, ErrTooManySessions) && p.signIn != nil: // nothing was stored
		return false, errors.Join(err, m.s.withdrawSignIn(m.ctx))
	}
	return false, err
}

// gone decides whether to go on after the session was found gone. A sign-in begins a new
// session, unless the old one was of the same subject: then it was ended on purpose.
func (m *merging) gone(err error) (again bool, _ error) {
	again, cause := m.s.beginAnew()
	if cause != nil {
		return false, cause
	}
	m.reloaded = false
	return again, err
}
