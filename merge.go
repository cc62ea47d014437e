package session

import (
	"context"
	"errors"
	"time"

	"gosession.dev/session/driver"
)

// write stores what has to be stored, unless the session turns out to be gone.
func (s *Session) write(ctx context.Context) error {
	return s.exclusively(ctx, func() error { return s.writeExclusively(ctx) })
}

// writeExclusively is write for the holder of the token.
func (s *Session) writeExclusively(ctx context.Context) error {
	err := s.merge(ctx)
	switch {
	case isGone(err), isClientGone(err) && (s.IsNew() || s.signsIn()):
		s.drop(ctx)
	case errors.Is(err, ErrConflict):
		s.f.meter.mergesFailed.Add(1)
	}
	return err
}

// drop ends a session that was found gone, with the changes that were to be stored.
func (s *Session) drop(ctx context.Context) {
	s.mu.Lock()
	key, wasLive, changed := s.key, s.phase == live, len(s.changes) > 0
	s.endLocked(lost)
	s.mu.Unlock()
	if changed {
		s.f.meter.dropped.Add(1)
	}
	if !wasLive || !changed {
		return
	}
	if _, err := s.f.mark(ctx, key); err == nil {
		s.mu.Lock()
		s.wasOvertaken = true
		s.mu.Unlock()
	}
}

// exclusively runs do while no other write of this session is under way.
func (s *Session) exclusively(ctx context.Context, do func() error) error {
	s.mu.Lock()
	if s.writing == nil {
		s.writing = make(chan struct{}, 1)
	}
	writing := s.writing
	s.mu.Unlock()
	select {
	case writing <- struct{}{}:
		defer func() { <-writing }()
		return do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxTaken is how many IDs in a row may be taken before we stop drawing.
const maxTaken = 10

// merge writes on the condition that no other request has written since the session
// was read. If one has, it reads the session again, applies the changes of this request
// to that, and tries again for as long as StoreTimeout. So no request loses another's
// change.
func (s *Session) merge(ctx context.Context) error {
	m := merging{s: s, f: s.f, ctx: ctx, until: time.Now().Add(s.f.cfg.StoreTimeout)}
	defer m.giveTurn()
	for {
		if again, err := m.round(); !again {
			return err
		}
	}
}

// merging is a merge under way.
type merging struct {
	s     *Session
	f     *Factory
	ctx   context.Context
	until time.Time // when conflicts are given up

	conflicts int
	taken     int           // IDs that were taken
	reloaded  bool          // the version that the store did not tell was read
	lookedFor bool          // the outcome of an unanswered write was looked for
	latency   time.Duration // of the last write

	turn    *turn          // to write, after a conflict; nil if it is not held
	turnKey string         // whose turn it is
	stored  *driver.Record // what was stored under that key at last
}

// round makes one attempt to store the session, and reports whether another follows.
func (m *merging) round() (again bool, err error) {
	p, err := m.s.next()
	if err != nil || p.step == nothing {
		return false, err
	}
	if p.versionUnknown() && !m.reloaded {
		m.reloaded = true
		if err := m.s.reload(m.ctx); err != nil {
			return m.failed(&p, err)
		}
		return true, nil
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
	return foundOut, nil // there may be changes that it does not cover
}

// next returns the write of unknown outcome, if there is one, or what has to be stored
// now.
func (s *Session) next() (pending, error) {
	s.mu.Lock()
	unsure := s.unsure
	s.mu.Unlock()
	if unsure != nil {
		return *unsure, nil
	}
	return s.prepare()
}

// store has the store write p, or finds out what has become of it.
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
	m.until = m.until.Add(time.Since(began)) // however many seats there are to count
	if err := m.s.awaited(p); err != nil {
		return err
	}
	began = time.Now()
	err := m.f.callUntil(m.ctx, m.until, func(ctx context.Context) error { return m.f.perform(ctx, p) })
	m.latency = time.Since(began)
	p.unanswered = isUnknown(err)
	return err
}

// failed decides what follows an error of a round.
func (m *merging) failed(p *pending, err error) (again bool, _ error) {
	m.s.fail(*p)
	switch {
	case p.unanswered:
		return m.unanswered(p, err)
	case isGone(err) && p.replaces, errors.Is(err, ErrConflict) && p.replaces:
		m.conflicts++
		return m.pause(err)
	case isGone(err):
		return m.gone(err)
	case errors.Is(err, ErrConflict) && p.changes == 0 && p.step == flush:
		m.s.forgetVersion()
		return false, nil // only the expiry had to move, and the competing write moved it
	case errors.Is(err, ErrConflict):
		return m.conflict(err)
	case errors.Is(err, driver.ErrExists):
		m.taken++
		if m.taken == maxTaken {
			return false, errors.New("new IDs are taken again and again; Config.IDs is not random")
		}
		return true, nil
	case p.step == touch && errors.Is(err, errors.ErrUnsupported):
		m.f.noTouch.Store(true)
		return true, nil
	case errors.Is(err, ErrTooManySessions) && p.signIn != nil: // nothing was stored
		return false, errors.Join(err, m.s.withdrawSignIn(m.ctx))
	}
	return false, err
}

// gone goes on after the session was found gone: a sign-in begins a new one, unless the
// session was of the same subject, which means that it was ended on purpose.
func (m *merging) gone(err error) (again bool, _ error) {
	again, cause := m.s.beginAnew()
	if cause != nil {
		return false, cause
	}
	m.reloaded = false
	return again, err
}
