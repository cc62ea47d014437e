package session

import (
	"context"
	"errors"
	"fmt"
)

// confirm makes the checks that a sign-in needs after it is stored and before the client
// learns the ID. After an error the session is ended, or, if the subject has too many,
// anonymous again.
func (s *Session) confirm(ctx context.Context, p *pending) error {
	if p.signIn == nil {
		return nil
	}
	number, err := s.f.subjectMark(ctx, p.signIn.subject)
	if err != nil {
		err = fmt.Errorf("%w: whether all sessions of the subject were ended meanwhile is not known: %w", ErrStaleSignIn, err)
	} else if number != p.signIn.attempt.number {
		err = fmt.Errorf("%w: all sessions of the subject were ended meanwhile", ErrStaleSignIn)
	}
	if err == nil {
		err = s.f.vacate(ctx, p)
	}
	if errors.Is(err, ErrTooManySessions) && !s.isAnew() {
		failed := s.demote(ctx, p)
		if failed == nil {
			return err
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		s.f.abandon(ctx, p)
		s.end(lost)
	}
	return err
}

// isAnew reports whether a sign-in has begun the session because there was none to go on
// with. The client may have got another one since, and its cookie.
func (s *Session) isAnew() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.anew
}

// withdrawSignIn takes back a sign-in that was refused before it was stored, so that the
// session is what it was before.
func (s *Session) withdrawSignIn(ctx context.Context) error {
	s.mu.Lock()
	in := s.pendingSignInLocked()
	if in == nil || s.anew {
		if s.anew { // the session that there was before is gone
			s.endLocked(lost)
		}
		s.mu.Unlock()
		return nil
	}
	s.dropLocked(func(c change) bool { return c.signIn != nil })
	before, wasLive := s.stored, s.phase == live
	s.state.subject, s.state.signedIn = before.subject, before.meta.signedIn
	if s.state.start = before.meta.start; !wasLive {
		s.state.start = before.created
	}
	s.edits++
	s.mu.Unlock()
	if !wasLive || !in.clears {
		return nil
	}
	return s.reload(ctx)
}

// remove removes what p has stored under its new key, if it is still there. No client has
// learned the ID. It does so even if ctx is done.
func (f *Factory) remove(ctx context.Context, p *pending) error {
	err := f.call(context.WithoutCancel(ctx), func(ctx context.Context) error { return f.store.Destroy(ctx, p.record.Key) })
	if isGone(err) {
		return nil
	}
	return err
}

// abandon ends the session of a sign-in that was stored and then refused.
func (f *Factory) abandon(ctx context.Context, p *pending) {
	if err := f.remove(ctx, p); err != nil {
		f.cfg.Logger.ErrorContext(ctx, "session: a session could not be ended whose sign-in was refused; no client knows its ID", "key", f.keyOf(p.record.Key), "error", err)
	}
}
