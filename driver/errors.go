package driver

import "errors"

// The errors that package session acts on. A store returns them bare or wrapped. Any
// other error, except [errors.ErrUnsupported], is an outage: package session reports it,
// and never treats it as a missing session.
var (
	// ErrNotFound means that there is no live record under the key.
	ErrNotFound = errors.New("session not found")

	// ErrExists means that the key is taken: by a live record, a corrupt one, or a mark.
	ErrExists = errors.New("session exists already")

	// ErrConflict means that the stored record has another version than the one to be
	// replaced.
	ErrConflict = errors.New("session was changed meanwhile")

	// ErrTooLarge means that the backend can't hold a record of this size. Wrap it with
	// the size and the limit.
	ErrTooLarge = errors.New("the session is too large")

	// ErrCorrupt means that the value under the key can't be decoded.
	ErrCorrupt = errors.New("session can't be decoded")

	// ErrSealed means that a [ClientSide] store was given a token that was issued within
	// the last hour and is sealed under a secret that the store does not have. Package
	// session treats it as an outage: this process may not have the new secret yet.
	ErrSealed = errors.New("session is sealed under a secret that is not configured")

	// ErrClosed means that the store is closed.
	ErrClosed = errors.New("session store is closed")
)
