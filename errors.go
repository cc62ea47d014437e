package session

import (
	"context"
	"errors"
	"fmt"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/meter"
)

// The errors that callers act on. Test for them with [errors.Is]. An operation that the
// backend does not have fails with [errors.ErrUnsupported]. Any other error of the store is an
// outage: it matches [ErrUnavailable], unless the caller's context has ended, and never means
// that there is no session. No error of this package contains an ID, a value or a DSN.
var (
	// ErrNotFound: there is no such session. It never existed, has expired, was ended, or
	// has got another ID.
	ErrNotFound = driver.ErrNotFound

	// ErrNoValue: [Take] has found no value under the name.
	ErrNoValue = errors.New("no value")

	// ErrConflict: other requests changed the session each time that this change was
	// retried, until [Config].StoreTimeout was over or the context ended. Nothing was stored.
	ErrConflict = driver.ErrConflict

	// ErrTooLarge: the session is larger than [Config].MaxSize, or than the store can hold.
	// The text names the three largest values and their sizes, but not their content. The
	// store keeps what it had before.
	ErrTooLarge = driver.ErrTooLarge

	// ErrCorrupt: the record of the session can't be decoded. The store keeps it.
	ErrCorrupt = driver.ErrCorrupt

	// ErrUnavailable: the store has failed, or gave no answer in time.
	ErrUnavailable = errors.New("the session store is unavailable")

	// ErrSealed: the session is sealed under a secret that this process does not have. The
	// store keeps it, and the client keeps its cookie, because another process may have the
	// secret. For a user who can't wait, see [Factory.Forget].
	ErrSealed = driver.ErrSealed

	// ErrStaleSignIn: all sessions of the subject were ended while the sign-in was under way,
	// or the store can't tell whether they were, or the sign-in began more than an hour ago.
	// No user is signed in. If the sign-in was stored already, the session has ended with its
	// values. The next request may sign in again; so may this one, unless the session belonged
	// to the same user before.
	ErrStaleSignIn = errors.New("the sign-in is stale; check the credentials again")

	// ErrNotRecent: the user has not signed in, or the last sign-in was too long ago.
	ErrNotRecent = errors.New("the last sign-in is not recent enough; authenticate the user again")

	// ErrTooManySessions: the subject has [Config].MaxPerSubject sessions already. The
	// sign-in is dropped, and the session stays as it was. But if another sign-in has taken the
	// last place at the same time, the session is anonymous, and without the values of another
	// user who was signed in.
	ErrTooManySessions = errors.New("the subject has too many sessions")

	// ErrHeaderSent: the change needs a new cookie, and the header of the response has left
	// already.
	ErrHeaderSent = errors.New("the response header is sent, so the session cookie can't be set any more; change the session before you write the response")

	// ErrClosed: the factory was closed.
	ErrClosed = driver.ErrClosed
)

// errDiscarded: a write of unknown outcome was not done, and Session.Discard has dropped it.
var errDiscarded = errors.New("the write was discarded")

// isGone reports whether err says that there is no such session.
func isGone(err error) bool { return errors.Is(err, ErrNotFound) }

// wrap puts the name of the operation in front of an error.
func wrap(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("session: %s: %w", operation, err)
}

// isUnknown reports whether a write that returned err may have been done nevertheless.
func isUnknown(err error) bool {
	if err == nil {
		return false
	}
	return !meter.IsAnswer(err) && !errors.Is(err, errDiscarded)
}

// outage returns err, which the store has returned, and makes it match [ErrUnavailable] unless
// it is an answer of the store or ctx, which is the caller's, has ended.
func outage(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || !isUnknown(err) || errors.Is(err, ErrSealed) || errors.Is(err, ErrUnavailable) {
		return err
	}
	return unavailableError{err}
}

// unavailableError is an outage of the store.
type unavailableError struct{ cause error }

func (e unavailableError) Error() string        { return e.cause.Error() }
func (e unavailableError) Unwrap() error        { return e.cause }
func (e unavailableError) Is(target error) bool { return target == ErrUnavailable }
