package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// An Attempt is a sign-in that has begun. It identifies the last time at which all
// sessions of its subject were ended. It can be kept as a value of a session, for instance
// during a redirect to an identity provider, and is good for an hour. It holds no secret,
// and is a plain value.
type Attempt struct {
	subject [sha256.Size]byte // its hash
	number  uint64            // of the subject's mark; 0 if there was none
	at      time.Time
}

const attemptLifetime = time.Hour

// BeginSignIn begins a sign-in of a subject: call it before the credentials are looked
// up and checked, and pass the result to [Session.SignIn]. If the password is changed and
// all sessions of the subject are ended in between, SignIn fails, so that the old
// password no longer admits anyone. It reads the store once and writes nothing; if the
// store fails, the error matches [ErrUnavailable]. See [Session.SignIn] for what a subject
// may be.
//
// A request that changes the password, ends the other sessions and signs in begins
// again after the ending.
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

// attemptOf returns the attempt that SignIn was given, or one that begins now.
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

// UnmarshalText implements [encoding.TextUnmarshaler]. It fails for text that is
// not that of an Attempt.
func (a *Attempt) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil {
		return errNoAttempt
	}
	return a.UnmarshalBinary(b)
}

var errNoAttempt = errors.New("session: this is no Attempt")

// UnmarshalBinary implements [encoding.BinaryUnmarshaler]. It fails for bytes of
// another length than MarshalBinary makes.
func (a *Attempt) UnmarshalBinary(b []byte) error {
	if len(b) != sha256.Size+16 {
		return errNoAttempt
	}
	rest := b[copy(a.subject[:], b):]
	a.number = binary.BigEndian.Uint64(rest)
	a.at = time.UnixMilli(int64(binary.BigEndian.Uint64(rest[8:])))
	return nil
}
