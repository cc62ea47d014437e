package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/writenumber"
)

// confirm makes the checks that a sign-in needs after it was stored and before the client learns
// the ID. If they fail, confirm ends the session, or, if only the number of sessions was
// exceeded, makes it anonymous again.
func (s *Session) confirm(ctx context.Context, p *pending) error {
	if p.signIn == nil {
		return nil
	}
	number, err := s.f.subjectMark(ctx, p.signIn.subject)
	if err != nil {
		err = fmt.Errorf("%w: can't find out whether all sessions of the subject were ended meanwhile: %w", ErrStaleSignIn, err)
	} else if number != p.signIn.mark {
		err = fmt.Errorf("%w: all sessions of the subject were ended meanwhile", ErrStaleSignIn)
	}
	if err == nil {
		err = s.f.vacate(ctx, p)
	}
	asStored := *p // demote changes p
	if errors.Is(err, ErrTooManySessions) && !s.isAnew() {
		failed := s.demote(ctx, p)
		if failed == nil {
			return err
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		s.refuseStored(ctx, &asStored, err)
	}
	return err
}

// refuseStored ends the session of a sign-in that was stored as p and then refused with cause.
// If the sign-in was made in a session that existed before, it tells the end of that one.
func (s *Session) refuseStored(ctx context.Context, p *pending, cause error) {
	endedBefore := s.f.abandon(ctx, p)
	why := ReasonTooMany
	switch {
	case p.endsHandle():
		why = p.endReason()
	case errors.Is(cause, ErrStaleSignIn):
		why = ReasonSubject
	case endedBefore:
		why = ReasonUnknown
	}
	if p.step == rename {
		if p.endsHandle() || !endedBefore { // else another request has told the end of the handle
			s.f.tellOldEnded(ctx, p, why)
		}
		s.f.wake(p.oldName, why)
	}
	s.end(lost, why)
}

// isAnew reports whether the sign-in has begun a new session because the old one was gone. The
// client may have got the cookie of another session since.
func (s *Session) isAnew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone != nil
}

// withdrawSignIn takes back a sign-in that was refused before it was stored. The session is then
// as it was stored, with the changes that are still pending. If the sign-in has begun a new session
// because the old one was gone, the Session ends.
func (s *Session) withdrawSignIn(ctx context.Context) error {
	s.mu.Lock()
	in := s.pendingSignInLocked()
	if in == nil || s.gone != nil {
		var ending endingContexts
		if s.gone != nil { // there is no session to restore
			ending = s.endLocked(lost, ReasonUnknown)
		}
		s.mu.Unlock()
		ending.end()
		return nil
	}
	s.dropLocked(func(c change) bool { return c.signIn != nil })
	before, wasLive := s.stored, s.phase == live
	s.state.subject, s.state.signedIn = before.subject, before.meta.SignedIn
	if s.state.start = before.meta.Start; !wasLive {
		s.state.start = before.created
	}
	s.edits++
	s.mu.Unlock()
	if !wasLive || !in.clears {
		return nil
	}
	return s.reload(ctx)
}

// remove destroys the record that p has stored under its new key, even if ctx is done. No
// client has learned the ID. If the record is gone already, remove returns nil.
func (f *Factory) remove(ctx context.Context, p *pending) error {
	if err := f.destroyNew(ctx, p); !isGone(err) {
		return err
	}
	return nil
}

func (f *Factory) destroyNew(ctx context.Context, p *pending) error {
	return f.call(context.WithoutCancel(ctx), func(ctx context.Context) error { return f.store.Destroy(ctx, p.record.Key) })
}

// abandon ends the session of a sign-in that was stored and then refused: now, or, if the
// store fails, later. It reports whether another request had ended the session before.
func (f *Factory) abandon(ctx context.Context, p *pending) (endedBefore bool) {
	err := f.destroyNew(ctx, p)
	if err != nil && !isGone(err) {
		f.orphans.Add(p.record.Subject, p.record.Key)
		f.cfg.Logger.ErrorContext(ctx, "session: a session whose sign-in was refused could not be ended yet; no client knows its ID", "key", f.keyOf(p.record.Key), "error", err)
	}
	return isGone(err)
}

// demote makes a session anonymous again after its sign-in has lost the race for the last seat.
// The session keeps its new ID, so that the client keeps its values. After an error of demote
// the session has to be ended.
func (s *Session) demote(ctx context.Context, p *pending) error {
	stored := *p
	stored.signIn = nil
	err := s.f.learnVersion(ctx, p.record)
	if err == nil {
		s.unsign(p)
		err = s.f.call(ctx, func(ctx context.Context) error { return s.f.store.Flush(ctx, p.record) })
	}
	if err != nil {
		return fmt.Errorf("the session was ended, because it could not be made anonymous: %w", err)
	}
	s.settle(*p)
	s.f.announce(ctx, &stored) // as a creation or an ID change without the sign-in
	return nil
}

// learnVersion reads the version of a record that was just stored, unless the store has told it.
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

// unsign takes the sign-in out of the session, and makes p a flush of the record without it. It
// keeps other changes of the session.
func (s *Session) unsign(p *pending) {
	m := &p.meta
	if m.Start = p.startBefore; m.Start.IsZero() {
		m.Start = p.record.Created
	}
	s.mu.Lock()
	if s.pendingSignInLocked() == p.signIn {
		s.state.subject, s.state.signedIn, s.state.start = "", time.Time{}, m.Start
	}
	s.mu.Unlock()
	p.step, p.oldKey, p.signIn, p.number = flush, p.record.Key, nil, writenumber.New()
	t := s.f.timeouts(&state{own: (*Timeouts)(m.Own)})
	m.SignedIn, m.Idle, m.Writes = time.Time{}, t.Idle, m.Writes.With(p.number)
	p.record.Subject, p.record.Expires = "", t.expires(m.Start, p.now)
	s.f.encode(p)
}
