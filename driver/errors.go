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

	// ErrClosed: the store was closed.
	ErrClosed = errors.New("session store is closed")
)
