package session

import (
	"context"
	"errors"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/uptime"
)

// Destroy ends the session and drops pending changes. No request that is still in flight
// brings the session back. If another request has changed the ID meanwhile, Destroy ends the
// session under its new ID. If the session has ended already, Destroy returns nil. If Destroy
// fails, the session may still exist, and the client keeps its cookie, so that the user can
// try again to sign out.
//
// In a handler, [FromContext] returns a new session after Destroy.
func (s *Session) Destroy(ctx context.Context) error {
	return wrap("destroy", s.exclusively(ctx, func() error { return s.destroy(ctx) }))
}

func (s *Session) destroy(ctx context.Context) error {
	s.mu.Lock()
	over, key := s.phase == destroyed, s.endedKeyLocked()
	s.mu.Unlock()
	if over {
		return nil
	}
	if key != "" {
		if err := s.endStored(ctx, key); err != nil {
			return err
		}
	}
	s.noteEnding(false)
	s.end(destroyed, ReasonSignedOut)
	return nil
}

// endStored ends the session that was stored under key.
func (s *Session) endStored(ctx context.Context, key string) error {
	s.mu.Lock()
	stored, signedOut := s.stored, s.ending // an earlier Destroy that got no answer may have ended it
	s.mu.Unlock()
	e := Event{Kind: EventEnded, Handle: stored.meta.Handle.String(), Subject: stored.subject, Reason: ReasonSignedOut}
	elsewhere, err := s.f.end(ctx, key, &e)
	switch {
	case err == nil:
		s.noteEnded(elsewhere)
		signedOut = true
	case isGone(err):
		if err := s.f.endUnmarked(ctx, stored); err != nil {
			return err
		}
	default:
		s.noteEnding(true)
		return err
	}
	if signedOut {
		s.f.tell(ctx, e)
	}
	return nil
}

// noteEnded notes whether the session was ended under a new ID, which another request has
// given it.
func (s *Session) noteEnded(elsewhere bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wasOvertaken = s.wasOvertaken || elsewhere
}

// noteEnding notes whether a Destroy has failed and may have ended the session all the same.
func (s *Session) noteEnding(ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = ending
}

// end ends the session that is stored under key. If its ID was changed, end follows the marks
// to the current key, and elsewhere is true. e describes the session as far as the caller knows
// it. end completes e, and the caller passes it to tell.
func (f *Factory) end(ctx context.Context, key string, e *Event) (elsewhere bool, _ error) {
	first := key
	f.identify(ctx, key, e)
	err := f.call(ctx, func(ctx context.Context) error {
		err := f.store.Destroy(ctx, key)
		if !isGone(err) {
			return err
		}
		for later, cause := range laterKeys(ctx, key, f.renamed) {
			if cause != nil {
				return cause
			}
			key = later
			*e = Event{Kind: e.Kind, Reason: e.Reason} // another user may have signed in
			f.identify(ctx, key, e)
			if err = f.store.Destroy(ctx, key); !isGone(err) {
				return err
			}
		}
		return err
	})
	e.Key = f.keyOf(key)
	f.wake(f.keyOf(first), e.Reason)
	if key != first {
		f.wake(e.Key, e.Reason)
	}
	return key != first, err
}

// errUnknownEnd says that the session is not stored under its key, and that a mark under the
// key may have expired since the session was read.
var errUnknownEnd = errors.New("the session is not stored under its ID any more, and may live on under a new ID that is not known any more")

// endUnmarked ends, by its handle, a session under whose key the store has neither a record nor
// a mark. If a mark can't have expired yet, the session has ended. A store without marks does
// not know the ID changes of other processes.
func (f *Factory) endUnmarked(ctx context.Context, st stored) error {
	marks, recent := f.tracksRenames(), uptime.Now()-st.seenAt < driver.MarkLifetime-f.cfg.StoreTimeout
	if st.seenAt == 0 || marks && recent {
		return nil
	}
	err := errors.ErrUnsupported
	if st.subject != "" {
		err = f.revoke(ctx, st.subject, st.meta.Handle.String(), ReasonSignedOut)
	}
	switch {
	case isGone(err), errors.Is(err, errors.ErrUnsupported) && recent:
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return errUnknownEnd
	}
	return err
}

// Destroy ends the session with a key. If its ID was changed less than ten minutes ago, Destroy
// finds the session by its old key too. If there is no such session, the error matches
// [ErrNotFound]; if sessions are kept in cookies, [errors.ErrUnsupported]. After Destroy has
// returned nil, no request that is still in flight brings the session back.
//
// Destroy is for operators. For users who end their own sessions, call [Factory.Revoke].
func (f *Factory) Destroy(ctx context.Context, key Key) error {
	if f.inCookie {
		return wrap("destroy", errors.ErrUnsupported)
	}
	if !key.isSession() {
		return wrap("destroy", ErrNotFound)
	}
	e := Event{Kind: EventEnded, Reason: ReasonRevoked}
	_, err := f.end(ctx, string(key), &e)
	if err == nil {
		f.tell(ctx, e)
	}
	return wrap("destroy", err)
}

// Revoke ends the session of a subject with this handle, even if its ID has changed: "end this
// device" in a list from [Factory.SubjectSessions] (OWASP ASVS 5.0, 7.5.2). If the subject has
// no such session, the error matches [ErrNotFound], whether or not another subject has one. If
// the store can't list the sessions of a subject, the error matches [errors.ErrUnsupported].
func (f *Factory) Revoke(ctx context.Context, subject, handle string) error {
	if !meta.IsHandle(handle) {
		return wrap("revoke", ErrNotFound)
	}
	return wrap("revoke", f.revoke(ctx, subject, handle, ReasonRevoked))
}

// maxMisses is how often revoke looks again for a session that the store lists and then does
// not find under its key.
const maxMisses = 10

// errElusive says that the store keeps listing a session that it does not find.
var errElusive = errors.New("the store lists the session again and again, but does not find it under its key")

func (f *Factory) revoke(ctx context.Context, subject, handle string, why EventReason) error {
	seen := false
	for looks, rounds := 0, 0; looks < 2; looks++ { // a listing may miss a session whose ID is changed meanwhile
		found, err := f.revokeListed(ctx, subject, handle, why)
		switch {
		case err == nil && found:
			return nil
		case found && isGone(err): // its ID was changed, or another process has ended it
			seen, looks = true, -1
			if rounds++; rounds == maxMisses {
				return errElusive
			}
		case err != nil:
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if seen {
		return nil
	}
	return ErrNotFound
}

// revokeListed ends the session with a handle, and reports whether the store lists it.
func (f *Factory) revokeListed(ctx context.Context, subject, handle string, why EventReason) (found bool, _ error) {
	for one, err := range f.ofSubject(ctx, subject) {
		if err != nil {
			return false, err
		}
		if one.Handle != handle {
			continue
		}
		return true, f.endKey(ctx, Event{Handle: handle, Key: one.key, Subject: subject, Reason: why})
	}
	return false, nil
}

// endKey ends the session under e.Key, and tells e. It follows no marks: if there is no session
// under the key, the error matches ErrNotFound.
func (f *Factory) endKey(ctx context.Context, e Event) error {
	e.Kind = EventEnded
	f.identify(ctx, string(e.Key), &e)
	err := f.call(ctx, func(ctx context.Context) error { return f.store.Destroy(ctx, string(e.Key)) })
	f.wake(e.Key, e.Reason)
	if err == nil {
		f.tell(ctx, e)
	}
	return err
}
