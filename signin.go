package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"gosession.dev/session/internal/meta"
)

const maxSubject = 255 // bytes; databases index that much by default

// SignIn makes the session the user's. Call it after this request has authenticated the user,
// for the first time or again. Subject is the user's ID: 1 to 255 bytes of UTF-8 without NUL.
//
// SignIn takes effect when the session is flushed, which [Factory.Handler] does by itself. The
// session then gets a new ID (OWASP ASVS 5.0, 7.2.4), which prevents session fixation: an ID
// that was planted or seen before is invalid. Lifetime begins anew.
//
// The values of the session stay if it was anonymous, such as a guest's cart; call
// [Session.Clear] first if they are not to be trusted. If the same user signs in again, the
// values, the label and the timeouts stay. If another user was signed in, all of their values are
// removed, pending changes included, and the session gets a new handle. A label and timeouts that
// this request sets apply, whether it sets them before or after SignIn.
//
// If the session has ended meanwhile, by a double click or a sign-out in another tab, SignIn
// begins a new session with the changes of this request. If the ended session was of the same
// subject, it was ended on purpose, and SignIn or the flush fails with [ErrNotFound].
//
// If all sessions of the subject are ended while the sign-in is under way, flushing fails with
// [ErrStaleSignIn], and nobody is signed in. To detect that, SignIn reads a mark from the
// store when it is called. To cover the time in which the credentials are checked too, call
// [Factory.BeginSignIn] before, and pass its result as attempt.
//
// With [Config].RefuseAtMax, flushing may fail with [ErrTooManySessions]. If the handler does
// not flush by itself, [Config].OnError gets the errors of flushing. After the header of the
// response is sent, SignIn fails with [ErrHeaderSent]; after [Session.Destroy], with
// ErrNotFound.
func (s *Session) SignIn(ctx context.Context, subject string, attempt ...Attempt) error {
	return wrap("sign in", s.signIn(ctx, subject, attempt))
}

func (s *Session) signIn(ctx context.Context, subject string, attempts []Attempt) error {
	if err := validSubject(subject); err != nil {
		return err
	}
	if err := s.reentered(); err != nil {
		return err
	}
	begun, err := s.f.attemptOf(ctx, subject, attempts)
	if err != nil {
		return err
	}
	handle, err := meta.NewHandle()
	if err != nil {
		return err
	}
	var ending endingContexts
	defer ending.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowLocked()
	in := &signIn{subject: subject, start: now, at: now, handle: handle, mark: begun.number}
	switch {
	case s.phase == destroyed || s.phase == lost && s.stored.subject == subject:
		return ErrNotFound
	case s.headerSent:
		return ErrHeaderSent
	case s.phase == lost:
		ending = s.beginLocked(newState(now), now)
	case s.phase == overtaken:
		s.gone = &goneSession{phase: overtaken, wasOvertaken: s.wasOvertaken}
		s.phase = fresh
	}
	in.clears = s.state.subject != "" && s.state.subject != subject
	return s.keepSignInLocked(in)
}

// keepSignInLocked applies a sign-in and adds it to the changes. It replaces a sign-in of the
// same subject that is not stored yet. If it removes the values of another user, it also drops
// the pending changes, except changes of the label and the timeouts.
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
	var surviving []change
	if in.clears {
		for _, c := range s.changes {
			if c.survivesSignIn {
				surviving = append(surviving, c)
			}
		}
		s.dropLocked(func(change) bool { return true })
	}
	added := append([]change{in.change()}, surviving...)
	s.changes = append(s.changes, added...)
	return applyAll(&s.state, added)
}

func (in *signIn) change() change { return change{renames: true, signIn: in, apply: in.apply} }

// apply makes the session of st the subject's.
func (in *signIn) apply(st *state) error {
	if in.clears || st.subject != "" && st.subject != in.subject {
		*st = state{handle: in.handle}
	}
	st.subject, st.signedIn, st.start = in.subject, in.at, in.start
	return nil
}

// validSubject returns an error that says why a text can't be a subject, or nil.
func validSubject(subject string) error {
	if err := errNoSubject(subject); err != nil {
		return err
	}
	if len(subject) > maxSubject || !utf8.ValidString(subject) || slices.Contains([]byte(subject), 0) {
		return fmt.Errorf("the subject must be UTF-8 of at most %d bytes without NUL", maxSubject)
	}
	return nil
}

// An Attempt is a sign-in that has begun, see [Factory.BeginSignIn]. It is valid for an hour.
// It can be kept as a value of a session, for instance while the user types the code of
// a second factor. It holds no secret, and may be copied.
type Attempt struct {
	subject [sha256.Size]byte // the hash of the subject
	number  uint64            // the number of the subject's mark; 0 if there was none
	at      time.Time         // when the sign-in began
}

const attemptLifetime = time.Hour

// BeginSignIn begins a sign-in of a subject. Call it before you look up and check the
// credentials, and pass the result to [Session.SignIn]. If all sessions of the subject are
// ended in between, as after a change of the password, the sign-in fails with
// [ErrStaleSignIn], so that the old password no longer admits anyone.
//
// BeginSignIn reads the store at most once and writes nothing. If the store fails, the error matches
// [ErrUnavailable]. [Session.SignIn] says which subjects are valid.
//
// A request that changes the password, ends the other sessions and signs in has to call
// BeginSignIn again after it has ended them.
func (f *Factory) BeginSignIn(ctx context.Context, subject string) (Attempt, error) {
	if err := validSubject(subject); err != nil {
		return Attempt{}, wrap("begin sign-in", err)
	}
	a, err := f.beginSignIn(ctx, subject)
	return a, wrap("begin sign-in", err)
}

func (f *Factory) beginSignIn(ctx context.Context, subject string) (Attempt, error) {
	number, err := f.subjectMark(ctx, subject)
	return Attempt{sha256.Sum256([]byte(subject)), number, f.cfg.Now()}, err
}

// attemptOf returns the attempt that was passed to SignIn, or one that begins now.
func (f *Factory) attemptOf(ctx context.Context, subject string, attempts []Attempt) (Attempt, error) {
	if len(attempts) == 0 {
		return f.beginSignIn(ctx, subject)
	}
	a := attempts[0]
	age := f.cfg.Now().Sub(a.at)
	switch {
	case len(attempts) > 1:
		return a, errors.New("more than one attempt was given")
	case a.subject != sha256.Sum256([]byte(subject)):
		return a, errors.New("the attempt was begun for another subject, or not by BeginSignIn")
	case age > attemptLifetime || age < -attemptLifetime:
		return a, fmt.Errorf("%w: it began more than an hour ago", ErrStaleSignIn)
	}
	return a, nil
}

// MarshalBinary implements [encoding.BinaryMarshaler], for [Gob].
func (a Attempt) MarshalBinary() ([]byte, error) {
	b := binary.BigEndian.AppendUint64(a.subject[:], a.number)
	return binary.BigEndian.AppendUint64(b, uint64(a.at.UnixMilli())), nil
}

// MarshalText implements [encoding.TextMarshaler], for [JSON].
func (a Attempt) MarshalText() ([]byte, error) {
	b, err := a.MarshalBinary()
	return base64.RawURLEncoding.AppendEncode(nil, b), err
}

// UnmarshalText implements [encoding.TextUnmarshaler]. It fails for text that MarshalText does
// not return.
func (a *Attempt) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil {
		return errNoAttempt
	}
	return a.UnmarshalBinary(b)
}

var errNoAttempt = errors.New("session: unmarshal Attempt: not the encoding of an Attempt")

// UnmarshalBinary implements [encoding.BinaryUnmarshaler]. It fails for data of another length
// than MarshalBinary returns.
func (a *Attempt) UnmarshalBinary(b []byte) error {
	if len(b) != sha256.Size+16 {
		return errNoAttempt
	}
	rest := b[copy(a.subject[:], b):]
	a.number = binary.BigEndian.Uint64(rest)
	a.at = time.UnixMilli(int64(binary.BigEndian.Uint64(rest[8:])))
	return nil
}
