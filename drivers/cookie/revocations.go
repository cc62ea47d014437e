package cookie

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// revocations records the inner keys of ended sessions in a store on a server, one record under
// each key. A record is never changed.
type revocations struct {
	store driver.Store
	owned bool // the cookie store closes store
}

// ending is the Data of a revocation. Revocations of release 0.1 have no Data.
type ending struct {
	RenamedTo string `json:"renamed_to,omitempty"` // the new inner key; empty if the session has ended
}

// revokedFor is how long a revocation is kept. The driver knows neither the other tokens of the
// session nor its absolute deadline, so it assumes the maximum lifetime of a token. The extra day
// covers a request that retrieved the session just before the revocation, and clock skew.
const revokedFor = maxLifetime + 24*time.Hour

// newRevocations returns an error for a store that can lose revocations, because the ended
// sessions would come back.
func newRevocations(store driver.Store) (*revocations, error) {
	for inner := store; inner != nil; inner = unwrap(inner) {
		if _, clientSide := inner.(driver.ClientSide); clientSide {
			return nil, errors.New("the store keeps records in the clients' cookies; use one on a server, such as sqlite")
		}
		lossy, ok := inner.(driver.Lossy)
		if !ok {
			continue
		}
		if loses := lossy.Loses(); loses != "" {
			return nil, fmt.Errorf("the store may lose them, and ended sessions would come back (%s); use another driver, such as sqlite", loses)
		}
	}
	return &revocations{store: store}, nil
}

// unwrap returns the store that store wraps, or nil.
func unwrap(store driver.Store) driver.Store {
	if around, ok := store.(interface{ Unwrap() driver.Store }); ok {
		return around.Unwrap()
	}
	return nil
}

// find returns the revocation of an inner key. If there is none, the error is ErrNotFound.
func (v *revocations) find(ctx context.Context, key string) (*driver.Record, error) {
	return v.store.Retrieve(ctx, key)
}

// add revokes an inner key. If the session was renamed, to is the new key. If key was revoked before,
// the error is ErrNotFound, unless by the same rename: then the caller repeats a call whose answer
// was lost, since package session uses a new key for each ChangeID. The revocation is kept until
// expires if that is later than revokedFor, which it may be for a token of release 0.1.
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

// renamedTo returns the new inner key of a revocation, or "" if the session has ended.
func renamedTo(r *driver.Record) string {
	var e ending
	if json.Unmarshal(r.Data, &e) != nil {
		return ""
	}
	return e.RenamedTo
}

// ping proves that the store can record revocations if it is a Pinger, and otherwise reads from it.
func (v *revocations) ping(ctx context.Context) error {
	if pinger, ok := v.store.(driver.Pinger); ok {
		err := pinger.Ping(ctx)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	_, err := v.find(ctx, "ping") // no session has this key
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}
