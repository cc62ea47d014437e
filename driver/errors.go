package driver

import "errors"

// The errors that package session acts on. A store returns them bare or wrapped.
// Any other error but [errors.ErrUnsupported] is an outage: package session
// reports it, and never takes it for a session that is not there.
var (
	// ErrNotFound: there is no live record under the key.
	ErrNotFound = errors.New("session not found")

	// ErrExists: the key is taken by a live record.
	ErrExists = errors.New("session exists already")

	// ErrConflict: the stored record is not of the version that was to be
	// replaced.
	ErrConflict = errors.New("session was changed meanwhile")

	// ErrTooLarge: the backend can't hold a record of this size. Wrap it with
	// the size and the limit.
	ErrTooLarge = errors.New("session too large for its store")

	// ErrCorrupt: what is stored under the key can't be decoded.
	ErrCorrupt = errors.New("session can't be decoded")

	// ErrSealed: a [ClientSide] store was given a token that is sealed under a
	// secret that it does not have, and that was issued within the last hour. To
	// package session that is an outage: a process has not got the new secret yet.
	ErrSealed = errors.New("session is sealed under a secret that is not configured")

	// ErrClosed: the store was closed.
	ErrClosed = errors.New("session store is closed")
)
