package driver

import "context"

// A Pinger is a [Store] that can tell whether its backend serves reads and writes.
//
// Without it, package session retrieves a random key, and takes [ErrNotFound] as healthy.
// That shows that the backend can be read, and not that it can be written.
type Pinger interface {
	// Ping connects if necessary, prepares the backend as the first use would, and must
	// return nil only if the store can serve. Ping also proves a write: with a record of
	// its own, or in a transaction that it rolls back if the backend refuses the write before the
	// commit. What Ping has written must not be
	// found, listed or counted by any method. If the backend can be read but not written,
	// Ping must fail.
	Ping(ctx context.Context) error
}
