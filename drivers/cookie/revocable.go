package cookie

import (
	"context"
	"time"

	"gosession.dev/session/driver"
)

// revocable is a store with revocations. A revocation contains the key that an ID change has
// led to, so that all processes can follow a session from any of its tokens.
type revocable struct{ *store }

var (
	_ driver.Store         = revocable{}
	_ driver.ClientSide    = revocable{}
	_ driver.Pinger        = revocable{}
	_ driver.RenameTracker = revocable{}
)

// ForCookie implements [driver.ClientSide].
func (s revocable) ForCookie(name string) driver.Store { return revocable{s.bound(name)} }

// Renamed implements [driver.RenameTracker]. It accepts a token, even an expired one, or an inner
// key, and returns the new inner key, which Destroy accepts.
func (s revocable) Renamed(ctx context.Context, tokenOrKey string) (driver.Rename, error) {
	if err := s.ready(ctx); err != nil {
		return driver.Rename{}, err
	}
	key, err := s.innerKey(tokenOrKey)
	if err != nil {
		return driver.Rename{}, err
	}
	r, err := s.revoked.find(ctx, key)
	if err != nil {
		return driver.Rename{}, err
	}
	to, age := renamedTo(r), max(time.Since(r.Created), 0)
	if to == "" || age >= driver.MarkLifetime {
		return driver.Rename{}, driver.ErrNotFound
	}
	return driver.Rename{To: to, Age: age}, nil
}

// innerKey returns the inner key of a token, or returns an inner key itself.
func (s revocable) innerKey(tokenOrKey string) (string, error) {
	if len(tokenOrKey) <= maxKey {
		return tokenOrKey, nil
	}
	t, ok := parseToken(tokenOrKey)
	if !ok {
		return "", driver.ErrNotFound
	}
	_, key, err := s.open(t)
	return key, err
}
