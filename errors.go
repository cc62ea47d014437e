package session

import (
	"errors"
	"fmt"

	"gosession.dev/session/driver"
)

// The errors that callers act on; test for them with [errors.Is]. An operation
// that a backend is not capable of fails with [errors.ErrUnsupported]. Anything
// else that a [Factory] or a [Session] reports of its store is an outage, and
// never means that there is no session. No error of this package contains an ID,
// a value or a DSN.
var (
	// ErrNotFound: there is no such session: it never was, it has expired, or
	// it was ended or given another ID.
	ErrNotFound = driver.ErrNotFound

	// ErrNoValue: the session has no value of that key.
	ErrNoValue = errors.New("no such value")

	// ErrConflict: others changed the session again and again while this change
	// was merged, until the time for it was over. Nothing was stored.
	ErrConflict = driver.ErrConflict

	// ErrTooLarge: the session is larger than its store can hold. What was
	// stored before is intact.
	ErrTooLarge = driver.ErrTooLarge

	// ErrCorrupt: what the store has under the session's key can't be decoded.
	// It is left as it is.
	ErrCorrupt = driver.ErrCorrupt

	// ErrUnavailable: the store has failed, or gave no answer in time. Every error
	// of a store that says nothing about a session matches it.
	ErrUnavailable = errors.New("the session store is unavailable")

	// ErrSealed: the session is sealed under a secret that this process does not
	// have. It is left as it is, and so is its cookie: another process may have the
	// secret. See [Factory.Forget] for a user who can't wait.
	ErrSealed = driver.ErrSealed

	// ErrStaleSignIn: all sessions of the subject were ended while the sign-in was
	// under way, that can't be known, or the sign-in began more than an hour ago.
	// Nobody is signed in. If it was stored already, the session has ended with what
	// it held; the same request, or the next one, may sign in again.
	ErrStaleSignIn = errors.New("the sign-in is stale; check the credentials again")

	// ErrNotRecent: the last sign-in of the user was too long ago, or there was none.
	ErrNotRecent = errors.New("the last sign-in is not recent enough; authenticate the user again")

	// ErrTooManySessions: the subject has [Config].MaxPerSubject sessions
	// already. The sign-in is dropped, and the session is what it was before; if
	// another user was signed in and the race for the last place was lost, it is
	// anonymous and empty.
	ErrTooManySessions = errors.New("the subject has too many sessions")

	// ErrHeaderSent: the change needs a cookie to be set, and the header of the
	// response has left already.
	ErrHeaderSent = errors.New("the response header is sent, so the session cookie can't be set any more")

	// ErrClosed: the factory was closed.
	ErrClosed = driver.ErrClosed
)

// isGone reports whether err says that there is no such session.
func isGone(err error) bool { return errors.Is(err, ErrNotFound) }

// wrap says what failed, once.
func wrap(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("session: %s: %w", operation, err)
}
