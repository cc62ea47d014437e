package session

import (
	"context"
	"errors"

	"gosession.dev/session/driver"
)

// Destroy ends the session: no request that is still being served brings it back.
// Pending changes are dropped. If another request has changed the ID meanwhile, the
// session is ended under its new ID. If the session has ended already, Destroy returns
// nil. If Destroy fails, the session may not have ended, and the client keeps its cookie,
// so that signing out can be tried again.
//
// In a handler, [FromContext] gives a new session after Destroy.
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
		s.f.wake(s.f.keyOf(key))
	}
	s.noteEnding(false)
	s.end(destroyed)
	return nil
}

// endStored ends the session that was stored under key.
func (s *Session) endStored(ctx context.Context, key string) error {
	s.mu.Lock()
	stored, signedOut := s.stored, s.ending // a Destroy that got no answer may have done it
	s.mu.Unlock()
	ended, err := s.f.end(ctx, key)
	switch {
	case err == nil:
		s.noteEnded(ended != key)
		signedOut = true
	case errors.Is(err, ErrNotFound):
		if err := s.f.endUnmarked(ctx, stored); err != nil {
			return err
		}
	default:
		s.noteEnding(true)
		return err
	}
	if signedOut {
		s.f.tell(ctx, Event{Kind: EventEnded, Key: s.f.keyOf(ended), Subject: stored.subject, Reason: ReasonSignedOut})
	}
	return nil
}

// noteEnded notes whether the session was ended under an ID that another request has
// given it.
func (s *Session) noteEnded(elsewhere bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wasOvertaken = s.wasOvertaken || elsewhere
}

// noteEnding notes whether a Destroy has failed that may have ended the session.
func (s *Session) noteEnding(ending bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = ending
}

// maxHops is how many IDs a session may have had within the lifetime of a mark.
const maxHops = 10_000

var errCircle = errors.New("the marks of the store lead in a circle")

// end ends the session that is stored under key, or, if its ID was changed, under the
// key that a mark leads to. It returns the key under which it was.
func (f *Factory) end(ctx context.Context, key string) (string, error) {
	err := f.call(ctx, func(ctx context.Context) error {
		for range maxHops {
			err := f.store.Destroy(ctx, key)
			if !errors.Is(err, ErrNotFound) {
				return err
			}
			rename, err := f.renamed(ctx, key)
			if err != nil {
				return err
			}
			key = rename.To
		}
		return errCircle
	})
	if err == nil {
		f.wake(f.keyOf(key))
	}
	return key, err
}

// errUnknownEnd: a mark may have expired since the session was read.
var errUnknownEnd = errors.New("the session is not there under the ID that this request has read long ago, and may have been given another one since")

// endUnmarked ends, by its handle, a session under whose key there is neither a record nor
// a mark now. If a mark would still be there, the session has ended. A store without marks
// does not know what other processes have renamed.
func (f *Factory) endUnmarked(ctx context.Context, st stored) error {
	marks, recent := f.tracksRenames(), uptime()-st.seenAt < driver.MarkLifetime-f.cfg.StoreTimeout
	if st.seenAt == 0 || marks && recent {
		return nil
	}
	err := errors.ErrUnsupported
	if st.subject != "" {
		err = f.revoke(ctx, st.subject, st.meta.handle.String(), ReasonSignedOut)
	}
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, errors.ErrUnsupported) && recent:
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return errUnknownEnd
	}
	return err
}

// Destroy ends the session of a key, or, if its ID was changed less than ten minutes
// ago, the session that had the key. If there is none, the error matches [ErrNotFound];
// if sessions are kept in cookies, [errors.ErrUnsupported]. Once Destroy has returned
// nil, no request that is still being served brings the session back.
//
// It is for operators. Where users end sessions of their own, call [Factory.Revoke].
func (f *Factory) Destroy(ctx context.Context, key Key) error {
	if f.inCookie {
		return wrap("destroy", errors.ErrUnsupported)
	}
	if !key.isSession() {
		return wrap("destroy", ErrNotFound)
	}
	ended, err := f.end(ctx, string(key))
	if err == nil {
		f.tell(ctx, Event{Kind: EventEnded, Key: Key(ended), Reason: ReasonRevoked})
	}
	return wrap("destroy", err)
}

// Revoke ends the session of a subject that has this handle, whatever its ID is by now:
// "end this device" in a list that [Factory.SubjectSessions] has made (OWASP ASVS 5.0,
// 7.5.2). If the subject has no such session, the error matches [ErrNotFound], whether
// or not another subject has. If the store can't list the sessions of a subject, the
// error matches [errors.ErrUnsupported].
func (f *Factory) Revoke(ctx context.Context, subject, handle string) error {
	return wrap("revoke", f.revoke(ctx, subject, handle, ReasonRevoked))
}

// maxMisses is how often revoke looks again for a session that was listed and then not
// found under its key.
const maxMisses = 10

// errElusive: the store lists the session, and says each time that there is none to end.
var errElusive = errors.New("the session is listed again and again, and can't be ended")

func (f *Factory) revoke(ctx context.Context, subject, handle string, why EventReason) error {
	seen := false
	for looks, rounds := 0, 0; looks < 2; looks++ { // a listing may miss a session that is renamed meanwhile
		found, err := f.revokeListed(ctx, subject, handle, why)
		switch {
		case err == nil && found:
			return nil
		case found && errors.Is(err, ErrNotFound): // it was renamed, or another process has ended it
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

// revokeListed ends the session of a handle, and reports whether the listing has it.
func (f *Factory) revokeListed(ctx context.Context, subject, handle string, why EventReason) (found bool, _ error) {
	for info, err := range f.subjectInfos(ctx, subject) {
		if err != nil {
			return false, err
		}
		if info.Handle != handle {
			continue
		}
		return true, f.endKey(ctx, info.Key, subject, why)
	}
	return false, nil
}

// endKey ends a session of the subject by its key, and tells why. It follows no mark: if
// there is no session under the key, the error matches ErrNotFound.
func (f *Factory) endKey(ctx context.Context, key Key, subject string, why EventReason) error {
	err := f.call(ctx, func(ctx context.Context) error { return f.store.Destroy(ctx, string(key)) })
	f.wake(key)
	if err == nil {
		f.tell(ctx, Event{Kind: EventEnded, Key: key, Subject: subject, Reason: why})
	}
	return err
}
