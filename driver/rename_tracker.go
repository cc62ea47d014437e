package driver

import (
	"context"
	"time"
)

// A RenameTracker is a [Store] whose ChangeID leaves a mark under the old key. The mark
// tells every process that the session was renamed, and to which key. Package session
// asks for a mark only if no record was found under the key. It uses the mark to end the
// session that the mark leads to, and to recognize a request whose session ID was changed
// while the request was in flight. A mark never admits a client: Retrieve, Flush, ChangeID
// and Touch of a marked key must return [ErrNotFound].
//
// The step that ends the record under the old key must also leave the mark: there is no
// moment at which a process finds neither. If the backend has no such step for two keys,
// ChangeID first adds a copy under the new key that is flagged as pending, then replaces
// the old record by the mark if its version is still the same, and then removes the flag.
// Retrieve, Flush and Touch treat a pending copy as a live record, and a write removes its
// flag. Sessions and SubjectSessions must not yield a pending copy while its original is
// live, so that a record is listed under one key only. Once the mark leads to the copy,
// they yield the copy, even if a process has died before it removed the flag: for that,
// the copy keeps the old key. DestroySubject must also end a pending copy. A ChangeID that
// fails removes its copy.
//
// Without it, only the process that has changed the ID knows about the change.
type RenameTracker interface {
	// Renamed returns the mark under key. A mark must be found for [MarkLifetime] after the
	// ChangeID that left it, or until the record that it leads to has ended, whichever
	// comes first; soon after MarkLifetime it is gone. If there is no mark, or if key holds
	// a live record, Renamed must return [ErrNotFound]. Any other error is an outage.
	//
	// A mark must not be listed or counted by any method. Destroy of a marked key must
	// return [ErrNotFound] and must leave the mark. If r.Key is marked, Create and ChangeID
	// must return [ErrExists]. If a record is renamed several times, each of its old keys
	// must hold a mark, which leads to the key that followed. Marks may survive a
	// DestroySubject.
	Renamed(ctx context.Context, key string) (Rename, error)
}

// MarkLifetime is how long a mark is found. While a request takes longer, a mark may come
// and go: package session then assumes that the session may have been renamed.
const MarkLifetime = 10 * time.Minute

// A Rename is the content of a mark.
type Rename struct {
	// To is the key that ChangeID gave the record: a key, never a session ID.
	To string

	// Age is the time since that ChangeID, by the store's clock, and must not be negative.
	Age time.Duration
}
