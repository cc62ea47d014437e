package session

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

const maxSubject = 255 // bytes; what databases index without asking

// signIn is what SignIn has to store, and what it has to check then.
type signIn struct {
	subject string
	start   time.Time // when SignIn was called
	at      time.Time // the same, or later if others have taken seats since by other clocks
	handle  handle    // of the session, if it was another subject's before
	attempt Attempt
	clears  bool // it was another subject's when SignIn was called
}

// SignIn says whose the session is: call it when this request has authenticated the
// user, or has authenticated them again. Flushing, which [Factory.Handler] does by
// itself, stores it and gives the session a new ID (OWASP ASVS 5.0, 7.2.4), so that an
// ID that was planted or seen before is worth nothing. Lifetime begins anew.
//
// What the session holds stays if nobody was signed in, such as a guest's cart: call
// [Session.Clear] before if that is not to be trusted. It stays too if the same user
// signs in again. If another user was signed in, nothing of theirs survives, changes
// that are not stored yet included, and the session gets a new handle. A label and
// timeouts that this request sets apply, whether it sets them before or after SignIn.
//
// The subject is the user's ID: up to 255 bytes of UTF-8 without NUL, and not empty.
//
// If the session has ended meanwhile, by a double click or a sign-out in another tab,
// the sign-in begins a new one of what this request has set. If it was of the same
// subject already, it has been ended on purpose, and flushing fails with [ErrNotFound].
//
// If all sessions of the subject are ended while the sign-in is under way, flushing
// fails with [ErrStaleSignIn], and nobody is signed in. SignIn reads for that, from
// the store, when that has last happened; to begin before the credentials are checked,
// pass what [Factory.BeginSignIn] has returned then. See [Config].MaxPerSubject for
// [ErrTooManySessions]. If the handler does not flush by itself, [Config].OnError gets
// these errors. After the header of the response has left, SignIn fails with
// [ErrHeaderSent]; after [Session.Destroy], with ErrNotFound.
func (s *Session) SignIn(ctx context.Context, subject string, attempt ...Attempt) error {
	return wrap("sign in", s.signIn(ctx, subject, attempt))
}

func (s *Session) signIn(ctx context.Context, subject string, attempts []Attempt) error {
	if err := validSubject(subject); err != nil {
		return err
	}
	begun, err := s.f.attemptOf(ctx, subject, attempts)
	if err != nil {
		return err
	}
	handle, err := newHandle()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowLocked()
	in := &signIn{subject: subject, start: now, at: now, handle: handle, attempt: begun}
	switch {
	case s.phase == destroyed || s.phase == lost && s.stored.subject == subject:
		return ErrNotFound
	case s.headerSent:
		return ErrHeaderSent
	case s.phase == lost:
		s.beginLocked(newState(now), now)
	case s.phase == overtaken:
		s.phase, s.anew = fresh, true
	}
	in.clears = s.state.subject != "" && s.state.subject != subject
	return s.keepSignInLocked(in)
}

// keepSignInLocked applies a sign-in and keeps it. One of the same subject that is not
// stored yet it replaces. What it drops of another subject, it drops of the changes too.
func (s *Session) keepSignInLocked(in *signIn) error {
	s.edits++
	for i, c := range s.changes[s.inFlight:] {
		if c.signIn != nil && c.signIn.subject == in.subject {
			in.clears, in.handle = c.signIn.clears, c.signIn.handle
			s.changes[s.inFlight+i] = in.change()
			s.state.signedIn, s.state.start = in.at, in.start
			return nil
		}
	}
	var aside []change
	if in.clears {
		for _, c := range s.changes {
			if c.aside {
				aside = append(aside, c)
			}
		}
		s.dropLocked(func(change) bool { return true })
	}
	added := append([]change{in.change()}, aside...)
	s.changes = append(s.changes, added...)
	return applyAll(&s.state, added)
}

func (in *signIn) change() change { return change{renames: true, signIn: in, apply: in.apply} }

// apply makes a state that of the subject.
func (in *signIn) apply(st *state) error {
	if in.clears || st.subject != "" && st.subject != in.subject {
		*st = state{handle: in.handle}
	}
	st.subject, st.signedIn, st.start = in.subject, in.at, in.start
	return nil
}

// validSubject returns an error for what can be no subject.
func validSubject(subject string) error {
	if err := errNoSubject(subject); err != nil {
		return err
	}
	if len(subject) > maxSubject || !utf8.ValidString(subject) || slices.Contains([]byte(subject), 0) {
		return fmt.Errorf("the subject must be UTF-8 of at most %d bytes without NUL", maxSubject)
	}
	return nil
}
