package driver

import (
	"context"
	"iter"
)

// A Driver opens stores. Package session registers drivers by name and opens
// them for the DSN that an application was configured with. A Driver keeps no
// state of its own: every Open makes a store that shares nothing with others but
// the backend.
type Driver interface {
	// Open returns a store for dsn, whose form is the driver's own. It parses
	// and validates dsn and must fail for one that it does not understand,
	// unknown parameters included. It does no I/O: the first call that needs
	// the backend connects and prepares it (schema, indexes) under that call's
	// context, and a failed first use is tried again by the next.
	//
	// Two stores of one DSN must share their records. What Open opened, the
	// store's Close closes; a store made from an application's own client
	// leaves that open. The error never contains dsn.
	Open(dsn string) (Store, error)
}

// A Store keeps records under keys. It is what a driver is about; the rules for
// all of its methods are in the comment of the package.
type Store interface {
	// Create stores r under r.Key, which must not hold a live record: if it
	// does, Create must return [ErrExists] and leave that record as it is. An
	// expired record under the key counts as absent. On success Create sets
	// r.Version. If the backend can't hold a record of this size, Create must
	// return [ErrTooLarge] and store nothing.
	Create(ctx context.Context, r *Record) error

	// Retrieve returns the live record under key, all of it as it was stored.
	// If there is none, or if it has expired, Retrieve must return
	// [ErrNotFound].
	Retrieve(ctx context.Context, key string) (*Record, error)

	// Flush replaces Data, Meta, Expires and Subject of the live record under
	// r.Key, in one step, if its version is r.Version, and sets r.Version to
	// the new one. Created never changes after Create and need not be written.
	// If the stored version is another, Flush must return [ErrConflict]; if
	// there is no live record, it must return [ErrNotFound] and must not
	// insert one; if the record is too large for the backend, it must return
	// [ErrTooLarge]. In each of these cases what is stored stays as it is.
	// Version 0 must match nothing: over a live record it is ErrConflict.
	Flush(ctx context.Context, r *Record) error

	// ChangeID is a Flush that also moves the record from oldKey to r.Key, which
	// differ. After it returned nil the record must be alive under r.Key and
	// must be absent under oldKey. It must judge oldKey first, by the same rules
	// as Flush ([ErrConflict], [ErrNotFound]), and must then return [ErrExists] if
	// r.Key holds a live record; in each of these cases nothing has changed.
	//
	// A backend that has no single step for it orders its steps such that a
	// process that dies between them leaves the record usable under oldKey, and
	// at most a copy under r.Key, whose ID no client knows. See [RenameTracker]
	// for what stands under oldKey afterwards.
	ChangeID(ctx context.Context, oldKey string, r *Record) error

	// Destroy removes the live record under key, whatever its version. If there
	// is none, it must return [ErrNotFound]. After Destroy returned nil no call
	// that began before or after it may bring the record back.
	Destroy(ctx context.Context, key string) error

	// Sessions returns the keys of the live records, in no particular order. A
	// record that is alive from the first element to the last must be yielded
	// exactly once; one that is created, renamed or ended meanwhile may be.
	// Expired records must not be yielded. An error is yielded once, with an
	// empty key, and ends the sequence. Sessions reads in pages of bounded size.
	// A backend that can't list yields [errors.ErrUnsupported].
	Sessions(ctx context.Context) iter.Seq2[string, error]

	// DeleteExpired removes the records that have expired, in batches of
	// bounded size so that others are not kept waiting, and returns how many it
	// removed, also when it fails half-way. It must not remove live records.
	// Where the backend expires records by itself it returns 0, nil.
	DeleteExpired(ctx context.Context) (int, error)

	// Close releases what Open acquired. It is idempotent: further calls return
	// nil.
	Close() error
}
