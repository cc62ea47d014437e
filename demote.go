package session

import (
	"context"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// demote makes a session anonymous again whose sign-in has lost the race for the last
// seat. It keeps its new ID, so that its client keeps what it had before. After an error
// it has to be ended.
func (s *Session) demote(ctx context.Context, p *pending) error {
	signedIn := *p
	err := s.f.learnVersion(ctx, p.record)
	if err == nil {
		s.unsign(p)
		err = s.f.call(ctx, func(ctx context.Context) error { return s.f.store.Flush(ctx, p.record) })
	}
	if err != nil {
		return fmt.Errorf("the session was ended, because it could not be made anonymous: %w", err)
	}
	s.settle(*p)
	s.f.announce(ctx, &signedIn) // the session was created or got its ID, but without the subject
	return nil
}

// learnVersion reads the version of a record that was just stored, if the store did not
// tell it.
func (f *Factory) learnVersion(ctx context.Context, rec *driver.Record) error {
	if rec.Version != 0 {
		return nil
	}
	stored, err := f.fetch(ctx, rec.Key)
	if err == nil {
		rec.Version = stored.Version
	}
	return err
}

// unsign takes the sign-in out of the session and out of p, which is to be flushed over
// what it has stored. Other changes of the session stay as they are.
func (s *Session) unsign(p *pending) {
	m := &p.meta
	if m.start = p.startBefore; m.start.IsZero() {
		m.start = p.record.Created
	}
	s.mu.Lock()
	if s.pendingSignInLocked() == p.signIn {
		s.state.subject, s.state.signedIn, s.state.start = "", time.Time{}, m.start
	}
	s.mu.Unlock()
	p.step, p.oldKey, p.signIn, p.number = flush, p.record.Key, nil, newWriteNumber()
	t := s.f.timeouts(&state{own: m.own})
	m.signedIn, m.idle, m.writes = time.Time{}, t.Idle, m.writes.with(p.number)
	p.record.Subject, p.record.Expires = "", t.expires(m.start, p.now)
	s.f.encode(p)
}
