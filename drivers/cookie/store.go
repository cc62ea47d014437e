package cookie

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/seal"
)

// store seals sessions into tokens, which are the values of cookies.
type store struct {
	box     *seal.Box
	revoked *revocations // nil if unrevocable; otherwise the store is embedded in a revocable
	name    string       // of the cookie
	closed  *atomic.Bool // shared with the stores that ForCookie returns
}

var (
	_ driver.Store      = (*store)(nil)
	_ driver.ClientSide = (*store)(nil)
	_ driver.Pinger     = (*store)(nil)
)

// ForCookie implements [driver.ClientSide].
func (s *store) ForCookie(name string) driver.Store { return s.bound(name) }

func (s *store) bound(name string) *store {
	bound := *s
	bound.name = name
	return &bound
}

// ready returns the error of a call on a closed store or with a done context, or nil.
func (s *store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	return ctx.Err()
}

// Create implements [driver.Store]. It does not look for a record under the key, because package
// session gives each session a random key of its own.
func (s *store) Create(ctx context.Context, r *driver.Record) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return s.issue(r, r.Key, r.Created)
}

// issue sets r.Key to a new token, for the client.
func (s *store) issue(r *driver.Record, key string, created time.Time) error {
	token, err := s.seal(r, key, created)
	if err != nil {
		return err
	}
	r.Key, r.Version = token, onlyVersion
	return nil
}

// Retrieve implements [driver.Store].
func (s *store) Retrieve(ctx context.Context, token string) (*driver.Record, error) {
	r, _, err := s.find(ctx, token)
	return r, err
}

// find returns the record of a token and its inner key. If the token has expired or the session has
// ended, the error is ErrNotFound.
func (s *store) find(ctx context.Context, token string) (*driver.Record, string, error) {
	r, key, err := s.openLive(ctx, token)
	if err != nil || s.revoked == nil {
		return r, key, err
	}
	switch _, err := s.revoked.find(ctx, key); {
	case err == nil:
		return nil, "", driver.ErrNotFound
	case !errors.Is(err, driver.ErrNotFound):
		return nil, "", err
	}
	return r, key, nil
}

// openLive is find without a look at the revocations: the session may have ended.
func (s *store) openLive(ctx context.Context, token string) (*driver.Record, string, error) {
	if err := s.ready(ctx); err != nil {
		return nil, "", err
	}
	t, ok := parseToken(token)
	if !ok || t.hasExpired(time.Now()) {
		return nil, "", driver.ErrNotFound
	}
	return s.open(t)
}

// Flush implements [driver.Store], except that it can't detect conflicts. The earlier token stays
// valid, because the client may not receive the new one.
func (s *store) Flush(ctx context.Context, r *driver.Record) error {
	was, key, err := s.find(ctx, r.Key)
	if err != nil {
		return err
	}
	return s.issue(r, key, was.Created)
}

// ChangeID implements [driver.Store]. It seals the new token before it revokes the old inner key,
// so that the session stays usable if the process dies in between. The revocation also tells whether
// the session had ended before. When ChangeID is called again with the same r after an outage, it
// succeeds, even if the first call has revoked the old inner key.
func (s *store) ChangeID(ctx context.Context, old string, r *driver.Record) error {
	was, key, err := s.openLive(ctx, old)
	if err != nil {
		return err
	}
	token, err := s.seal(r, r.Key, was.Created)
	if err != nil {
		return err
	}
	if s.revoked != nil {
		if err := s.revoked.add(ctx, key, r.Key, was.Expires); err != nil {
			return err
		}
	}
	r.Key, r.Version = token, onlyVersion
	return nil
}

// Destroy implements [driver.Store]. With revocations, it also accepts an inner key that Renamed
// has returned. Without revocations it has no effect, and package session only clears the cookie.
func (s *store) Destroy(ctx context.Context, tokenOrKey string) error {
	if len(tokenOrKey) == keySize && s.revoked != nil {
		if err := s.ready(ctx); err != nil {
			return err
		}
		return s.revoked.add(ctx, tokenOrKey, "", time.Time{})
	}
	r, key, err := s.openLive(ctx, tokenOrKey)
	if err != nil || s.revoked == nil {
		return err
	}
	return s.revoked.add(ctx, key, "", r.Expires)
}

// Sessions implements [driver.Store]. It yields errors.ErrUnsupported, because only the clients have
// the sessions.
func (s *store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := s.ready(ctx)
		if err == nil {
			err = errors.ErrUnsupported
		}
		yield("", err)
	}
}

// DeleteExpired implements [driver.Store]. It deletes expired revocations; cookies expire by
// themselves.
func (s *store) DeleteExpired(ctx context.Context) (int, error) {
	if err := s.ready(ctx); err != nil || s.revoked == nil {
		return 0, err
	}
	return s.revoked.store.DeleteExpired(ctx)
}

// Ping implements [driver.Pinger]. It pings the store of revocations.
func (s *store) Ping(ctx context.Context) error {
	if err := s.ready(ctx); err != nil || s.revoked == nil {
		return err
	}
	return s.revoked.ping(ctx)
}

// Close implements [driver.Store]. It closes the store of revocations if Driver.Open has opened it.
func (s *store) Close() error {
	if s.closed.Swap(true) || s.revoked == nil || !s.revoked.owned {
		return nil
	}
	return s.revoked.store.Close()
}
