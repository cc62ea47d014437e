package driver

import (
	"context"
	"iter"
)

// A Driver opens stores. Package session keeps drivers by the names under which they are
// registered, and opens them with the DSN from the application's configuration. A Driver
// has no state of its own: the stores that it opens share nothing but the backend. If a process
// can open the backend only once, such as a file that its library locks, the driver keeps the open
// backends by name.
type Driver interface {
	// Open returns a store for dsn, whose format the driver defines. Open parses and
	// validates dsn, and must fail if it does not understand dsn: an unknown parameter
	// and a NUL are errors. If Open accepts dsn, the first use must not reject its format.
	// Open does no I/O: the first call that needs the backend connects and prepares it
	// (schema, indexes) under that call's context, and if that fails, the next call tries
	// again. If [MayCreate] returns false for a call's context, the call creates nothing.
	//
	// Two stores of one DSN must share their records. Stores whose DSNs name two places
	// of one backend (two tables, collections or key prefixes) must share nothing, even if
	// the names are alike: no method of one store finds, lists, counts, changes or removes
	// a record or a mark of the other.
	//
	// The store's Close closes what Open has opened; a store that is made from an
	// application's own client leaves the client open. The error of Open never contains
	// dsn, nor any part of it that the driver does not know.
	Open(dsn string) (Store, error)
}

// A Store keeps records under keys. The package comment has the rules that apply to all
// of its methods.
type Store interface {
	// Create stores r under r.Key. If r.Key holds a live record, Create must return
	// [ErrExists] and leave that record as it is. An expired record under the key counts
	// as absent. On success Create sets r.Version. If the backend can't hold a record of
	// this size, Create must return [ErrTooLarge] and store nothing.
	Create(ctx context.Context, r *Record) error

	// Retrieve returns the live record under key, with all fields as they were stored. If
	// there is no record, or if it has expired, Retrieve must return [ErrNotFound].
	Retrieve(ctx context.Context, key string) (*Record, error)

	// Flush replaces Data, Meta, Expires and Subject of the live record under r.Key, in
	// one step, if the version of that record is r.Version, and sets r.Version to the new
	// version. Created never changes after Create and need not be written. If the stored
	// version is another, Flush must return [ErrConflict]; if there is no live record, it
	// must return [ErrNotFound] and must not insert one; if the record is too large for
	// the backend, it must return [ErrTooLarge]. In each of these cases the stored record
	// stays as it is. Version 0 must match no record: if there is a live record, Flush
	// returns ErrConflict.
	Flush(ctx context.Context, r *Record) error

	// ChangeID is a Flush that also moves the record from oldKey to r.Key, which differ.
	// After ChangeID has returned nil, the record must be live under r.Key and absent
	// under oldKey. ChangeID must check oldKey first, by the same rules as Flush
	// ([ErrConflict], [ErrNotFound]), and must then return [ErrExists] if r.Key holds a
	// live record; in each of these cases nothing changes.
	//
	// If the backend has no single step for this, the store orders its steps so that a
	// process that dies between them leaves the record usable under oldKey, and at most a
	// copy under r.Key, whose ID no client knows. [RenameTracker] describes the mark that
	// ChangeID may leave under oldKey.
	ChangeID(ctx context.Context, oldKey string, r *Record) error

	// Destroy removes the live record under key, whatever its version. If there is no live
	// record, Destroy must return [ErrNotFound]. After Destroy has returned nil, no call
	// may bring the record back, not even a call that began before.
	Destroy(ctx context.Context, key string) error

	// Sessions returns the keys of the live records, in no particular order. A record that
	// is live from the first element to the last must be yielded exactly once; a record
	// that is created, renamed or ended during the listing may be yielded or not. Expired
	// records must not be yielded. An error is yielded once, with an empty key, and ends
	// the sequence. Sessions reads in pages of bounded size; [Listing] makes a sequence of
	// them. If the backend can't list, Sessions yields [errors.ErrUnsupported].
	Sessions(ctx context.Context) iter.Seq2[string, error]

	// DeleteExpired removes the expired records in batches of bounded size, so that other
	// calls do not have to wait, and returns how many it has removed, even if it fails
	// half-way. DeleteExpired must not remove live records. If the backend removes expired
	// records by itself, DeleteExpired returns 0, nil.
	DeleteExpired(ctx context.Context) (int, error)

	// Close releases what the store has opened. Close is idempotent: further calls return
	// nil.
	Close() error
}
