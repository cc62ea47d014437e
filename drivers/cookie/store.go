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

// store keeps sessions in cookies.
type store struct {
	box     *seal.Box
	revoked *revocations // nil if there are none; otherwise it is in a revocable
	name    string       // of the cookie
	closed  *atomic.Bool // shared by what ForCookie returns
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

// ready returns why a call can't begin, if it can't.
func (s *store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	return ctx.Err()
}

// Create implements [driver.Store]. There is nothing that could be taken: package session
// gives every session a key of its own, and a token whose inner key has ended is not
// found.
func (s *store) Create(ctx context.Context, r *driver.Record) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return s.issue(r, r.Key, r.Created)
}

// issue gives r the token that the client has to have.
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

// find returns the record of a token and its inner key, unless that has ended.
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

// openLive returns the record of a token that has not expired, and its inner key, which
// may have ended.
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

// Flush implements [driver.Store], but for conflicts, of which it can't know. It ends no
// token: the client may still have the earlier one.
func (s *store) Flush(ctx context.Context, r *driver.Record) error {
	was, key, err := s.find(ctx, r.Key)
	if err != nil {
		return err
	}
	return s.issue(r, key, was.Created)
}

// ChangeID implements [driver.Store]. The new token is made before the old one is ended: a
// process that dies in between leaves the session usable. That it has not ended before is
// known by ending it. Called again after an outage, with the same r, it succeeds if it has
// ended old then.
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

// Destroy implements [driver.Store]. With revocations it also takes an inner key that
// Renamed has returned. Without them it ends nothing: package session only clears the
// cookie.
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

// Sessions implements [driver.Store]. It can't list, because the clients have the sessions.
func (s *store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := s.ready(ctx)
		if err == nil {
			err = errors.ErrUnsupported
		}
		yield("", err)
	}
}

// DeleteExpired implements [driver.Store] for revocations; what clients have
// expires by itself.
func (s *store) DeleteExpired(ctx context.Context) (int, error) {
	if err := s.ready(ctx); err != nil || s.revoked == nil {
		return 0, err
	}
	return s.revoked.store.DeleteExpired(ctx)
}

// Ping implements [driver.Pinger] by a look at the revocations.
func (s *store) Ping(ctx context.Context) error {
	if err := s.ready(ctx); err != nil || s.revoked == nil {
		return err
	}
	return s.revoked.ping(ctx)
}

// Close implements [driver.Store]. It closes the store of revocations if Open has made it.
func (s *store) Close() error {
	if s.closed.Swap(true) || s.revoked == nil || !s.revoked.owned {
		return nil
	}
	return s.revoked.store.Close()
}
