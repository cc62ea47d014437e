package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/move"
	"gosession.dev/session/internal/subjectmark"
)

// RequireRecent returns an error that matches [ErrNotRecent] unless the user has signed in
// at most age ago. Call it before a change of a password, an address or another
// authentication factor (OWASP ASVS 5.0, 7.5.1 and 7.5.3). If it fails, authenticate the user
// again, and call [Session.SignIn].
func (s *Session) RequireRecent(age time.Duration) error {
	s.mu.Lock()
	signedIn, start := !s.state.signedIn.IsZero(), s.state.start // signedIn may be later, see seatAfter
	s.mu.Unlock()
	if !signedIn || s.f.cfg.Now().Sub(start) > age {
		return wrap("require recent", ErrNotRecent)
	}
	return nil
}

// DestroySubject ends all sessions of a subject: "log out everywhere" (OWASP ASVS 5.0, 7.4.2).
// Sign-ins that have begun before and are not stored yet fail with [ErrStaleSignIn]. If the
// subject has no sessions, DestroySubject returns nil.
//
// If the store can neither end nor list the sessions of a subject, the error matches
// [errors.ErrUnsupported]. After any other error, some of the sessions may still be alive, and
// those sign-ins may succeed: call it again.
//
// To spare the session of the request, call [Session.DestroyOthers].
func (f *Factory) DestroySubject(ctx context.Context, subject string) error {
	return wrap("destroy subject", f.destroySubject(ctx, subject))
}

func (f *Factory) destroySubject(ctx context.Context, subject string) error {
	if err := f.refuseSignIns(ctx, subject); err != nil {
		return err
	}
	err := f.destroyAtOnce(ctx, subject)
	if errors.Is(err, errors.ErrUnsupported) {
		return f.destroyListed(ctx, subject, "")
	}
	return err
}

// errAnonymous says that an anonymous session has no other sessions of its user.
var errAnonymous = errors.New("the session is anonymous, so there are no other sessions of its subject; call SignIn first")

// DestroyOthers ends all other sessions of the session's subject, on all devices. Offer it
// after a change of a password or of another authentication factor (OWASP ASVS 5.0, 7.4.3).
// This session stays, even if another request changes its ID at the same time. If this request
// has called [Session.SignIn] before, the sign-in is stored first.
//
// Sign-ins of the subject that other requests have begun before and that are not stored yet
// fail with [ErrStaleSignIn]. So does a later sign-in of this request with an [Attempt] from
// before.
//
// If the session is anonymous, DestroyOthers fails. If the session has ended, the error matches
// [ErrNotFound]; if the store can neither end nor list the sessions of a subject,
// [errors.ErrUnsupported]. After any other error, some of the other sessions may still be alive:
// call it again.
//
// But some stores, such as memcached, can't list the sessions of a subject: they end all but the
// session under the key of this one. If the ID changes at that moment, this session ends too.
func (s *Session) DestroyOthers(ctx context.Context) error {
	return wrap("destroy others", s.destroyOthers(ctx))
}

func (s *Session) destroyOthers(ctx context.Context) error {
	if err := s.reentered(); err != nil {
		return err
	}
	if s.signsIn() { // the mark would make the sign-in stale
		if err := s.write(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	ended, subject, handle, key := s.hasEndedLocked(), s.stored.subject, s.stored.meta.Handle.String(), s.key
	s.mu.Unlock()
	switch {
	case ended:
		return ErrNotFound
	case subject == "":
		return errAnonymous
	}
	if err := s.f.stillAlive(ctx, key, handle); err != nil {
		return err
	}
	if err := s.f.refuseSignIns(ctx, subject); err != nil {
		return err
	}
	err := s.f.destroyListed(ctx, subject, handle)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	except := []string{key}
	for later, err := range laterKeys(ctx, key, s.f.mark) {
		if err != nil {
			return err
		}
		except = append(except, later)
	}
	return s.f.destroyAtOnce(ctx, subject, except...)
}

// stillAlive returns ErrNotFound if the session that was stored under key has ended. This
// request may not know that yet, and a session that has ended must not end others.
func (f *Factory) stillAlive(ctx context.Context, key, handle string) error {
	for range maxHops {
		alive, err := f.hasHandle(ctx, Key(key), handle)
		if alive || err != nil {
			return err
		}
		rename, err := f.mark(ctx, key)
		if isGone(err) && !f.tracksRenames() {
			return nil // another process may have changed the ID
		}
		if err != nil {
			return err
		}
		key = rename.To
	}
	return errCircle
}

// refuseSignIns makes the sign-ins of a subject fail that have begun and are not stored yet.
func (f *Factory) refuseSignIns(ctx context.Context, subject string) error {
	if err := validSubject(subject); err != nil {
		return err
	}
	if !f.marksSubjects() {
		return errors.ErrUnsupported
	}
	return f.markSubject(ctx, subject)
}

// destroyAtOnce makes the store end the sessions of a subject in one step, except those under
// the keys in except. If the store can't, the error matches errors.ErrUnsupported.
func (f *Factory) destroyAtOnce(ctx context.Context, subject string, except ...string) error {
	if f.destroyer == nil {
		return errors.ErrUnsupported
	}
	err := f.call(ctx, func(ctx context.Context) error {
		return f.destroyer.DestroySubject(ctx, subject, except...)
	})
	f.watchers.Wake(bySubject, subject, string(ReasonSubject))
	if err == nil {
		f.tell(ctx, Event{Kind: EventEnded, Subject: subject, Reason: ReasonSubject})
	}
	return err
}

// destroyListed ends the sessions of a subject one by one, except the session whose handle is
// spared. A listing may miss a session whose ID is changed meanwhile, so destroyListed returns
// only after two listings in a row have found nothing to end.
func (f *Factory) destroyListed(ctx context.Context, subject, spared string) error {
	ended := map[Key]bool{}
	for empty := 0; empty < 2; empty++ {
		before := len(ended)
		found, err := f.destroyRound(ctx, subject, spared, ended)
		if err != nil {
			return err
		}
		if found && len(ended) == before {
			return fmt.Errorf("%w: the store lists sessions that have ended", ErrUnavailable)
		}
		if found {
			empty = -1
		}
	}
	return nil
}

// destroyRound ends the sessions in one listing and adds their keys to ended. It reports
// whether the listing had any session to end.
func (f *Factory) destroyRound(ctx context.Context, subject, spared string, ended map[Key]bool) (found bool, err error) {
	for key, err := range f.subjectKeys(ctx, subject) {
		if err != nil {
			return found, err
		}
		spare, err := f.hasHandle(ctx, key, spared)
		if err != nil {
			return found, err
		}
		if spare {
			continue
		}
		found = true
		if err := f.endKey(ctx, Event{Key: key, Subject: subject, Reason: ReasonSubject}); err != nil && !isGone(err) {
			return found, err
		}
		ended[key] = true
	}
	return found, ctx.Err()
}

// hasHandle reports whether the session under key has a handle. It is false if there is no
// session, or its record can't be decoded.
func (f *Factory) hasHandle(ctx context.Context, key Key, handle string) (bool, error) {
	if handle == "" {
		return false, nil
	}
	rec, err := f.fetch(ctx, string(key))
	if err != nil {
		return false, ignoreUnreadable(err)
	}
	m, err := meta.Parse(move.Thawed(rec))
	return err == nil && m.Handle.String() == handle, ignoreUnreadable(err)
}

// ignoreUnreadable returns err, or nil if err says that there is no record or that it can't be decoded.
func ignoreUnreadable(err error) error {
	if isGone(err) || errors.Is(err, ErrCorrupt) {
		return nil
	}
	return err
}

// errNoSubject rejects the empty subject, which stands for anonymous sessions.
func errNoSubject(subject string) error {
	if subject == "" {
		return errors.New("the subject is empty, which stands for anonymous sessions")
	}
	return nil
}

// marksSubjects reports whether the store can end all sessions of a subject. If so,
// DestroySubject and DestroyOthers write a mark.
func (f *Factory) marksSubjects() bool {
	return !f.inCookie && (f.destroyer != nil || f.lister != nil)
}

// subjectMark returns the number of a subject's mark, or 0 if there is none. The number changes
// when all sessions of the subject are ended.
func (f *Factory) subjectMark(ctx context.Context, subject string) (number uint64, err error) {
	if !f.marksSubjects() {
		return 0, nil
	}
	err = f.callAside(ctx, func(ctx context.Context) (err error) {
		number, err = subjectmark.Read(ctx, f.store.Store, subject)
		return err
	})
	return number, err
}

// markSubject writes a mark before all sessions of a subject are ended, so that a sign-in that
// has begun before fails.
func (f *Factory) markSubject(ctx context.Context, subject string) error {
	return f.callAside(ctx, func(ctx context.Context) error {
		now := f.cfg.Now()
		return subjectmark.Write(ctx, f.store.Store, subject, now, now.Add(subjectmark.Lifetime))
	})
}
