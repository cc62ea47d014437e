package cookie

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// revocations are the inner keys that have ended, each as a record under that key in a
// store on a server. They are made once and never changed.
type revocations struct {
	store driver.Store
	owned bool // Close closes store
}

// ending is the Data of such a record. Those of release 0.1 have none.
type ending struct {
	RenamedTo string `json:"renamed_to,omitempty"` // an inner key; empty if the session has ended
}

// revokedFor is how long a revocation is kept. No token that was issued before it is good
// for longer, whichever of a session's tokens ended the session: the driver does not know
// the others, nor the session's absolute deadline. The day is for a request that has
// found the session alive just before, and for clocks that differ.
const revokedFor = longest + 24*time.Hour

// newRevocations refuses a store from which revocations can vanish: the session that was
// ended would be back.
func newRevocations(store driver.Store) (*revocations, error) {
	for inner := store; inner != nil; inner = unwrap(inner) {
		if _, clientSide := inner.(driver.ClientSide); clientSide {
			return nil, errors.New("a store that keeps sessions with the clients can't keep them; take one on a server, such as sqlite")
		}
		lossy, ok := inner.(driver.Lossy)
		if !ok {
			continue
		}
		if loses := lossy.Loses(); loses != "" {
			return nil, fmt.Errorf("the store may lose them, and sessions that have ended would be back (%s); take another driver, such as sqlite", loses)
		}
	}
	return &revocations{store: store}, nil
}

// unwrap returns the store that another one is around, or nil.
func unwrap(store driver.Store) driver.Store {
	if around, ok := store.(interface{ Unwrap() driver.Store }); ok {
		return around.Unwrap()
	}
	return nil
}

// find returns the record of an inner key that has ended, or ErrNotFound.
func (v *revocations) find(ctx context.Context, key string) (*driver.Record, error) {
	return v.store.Retrieve(ctx, key)
}

// add ends an inner key; to is the one that follows, or empty. If it has ended already,
// the error is ErrNotFound, unless it was this call that was made before and whose answer
// was lost: package session gives a new key to each ChangeID. A token of release 0.1 may
// last longer than revokedFor.
func (v *revocations) add(ctx context.Context, key, to string, expires time.Time) error {
	data, err := json.Marshal(ending{to})
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	until := now.Add(revokedFor)
	if expires.After(until) {
		until = expires
	}
	err = v.store.Create(ctx, &driver.Record{Key: key, Data: data, Created: now, Expires: until})
	if !errors.Is(err, driver.ErrExists) {
		return err
	}
	if to != "" {
		r, err := v.find(ctx, key)
		if err != nil || renamedTo(r) == to {
			return err
		}
	}
	return driver.ErrNotFound
}

// renamedTo returns the inner key that followed one that has ended, or "".
func renamedTo(r *driver.Record) string {
	var e ending
	if json.Unmarshal(r.Data, &e) != nil {
		return ""
	}
	return e.RenamedTo
}

// ping looks for a key that no session has.
func (v *revocations) ping(ctx context.Context) error {
	_, err := v.find(ctx, "ping")
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}
