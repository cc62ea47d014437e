package driver

import (
	"context"
	"time"
)

// A RenameTracker is a [Store] whose ChangeID leaves a mark under the old key: it
// tells every process that the session was renamed, and to which key. Package
// session asks for the mark only if a key was not found. A mark serves to end the
// session that it leads to, and to recognize a request that an ID change has
// overtaken. It never admits a client: Retrieve, Flush, ChangeID and Touch of a
// marked key must return [ErrNotFound].
//
// The step that ends the record under the old key must also leave the mark: no
// process finds neither the record nor the mark. Where a backend has no such step
// for two keys, ChangeID first adds a copy under the new key that is flagged as
// pending, then replaces the old record by the mark on the condition of its version,
// then removes the flag. Retrieve, Flush and Touch treat a pending copy as a live
// record, and a write removes its flag. Sessions and SubjectSessions must not yield
// a pending copy beside the record that it was copied from, so that a listed key is
// the only one of its record. Once the mark leads to the copy, they yield it, although
// a process may have died before it removed the flag: so the copy keeps the old key.
// DestroySubject must also end a pending copy. A ChangeID that fails removes its copy.
//
// Without it, only the process that has changed the ID knows of it.
type RenameTracker interface {
	// Renamed returns the mark under key. A mark must be found for [MarkLifetime]
	// after the ChangeID that left it, or until the record that it leads to has
	// ended, whichever comes first; soon after MarkLifetime it is gone. If there is
	// no mark, or if key holds a live record, Renamed must return [ErrNotFound].
	// Any other error is an outage.
	//
	// A mark must not be listed or counted by any method. Destroy of a marked key
	// must return [ErrNotFound] and must leave the mark. Create and ChangeID onto a
	// marked key must return [ErrExists]. A record that was renamed several times
	// must leave a mark under each of its old keys, which leads to the key that
	// followed. Marks may survive a DestroySubject.
	Renamed(ctx context.Context, key string) (Rename, error)
}

// MarkLifetime is how long a mark is found. Package session treats a request that
// takes longer than that as one whose session may have been renamed unseen.
const MarkLifetime = 10 * time.Minute

// A Rename is what a mark says.
type Rename struct {
	// To is the key that ChangeID gave the record: a key, never an ID.
	To string

	// Age is how long ago ChangeID did so, by the store's clock. It must not be
	// negative.
	Age time.Duration
}
