package cookie

import (
	"context"
	"errors"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

// Create implements [driver.Store]. There is nothing that could be taken.
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return s.issue(r, r.Key, r.Created)
}

// issue gives r the token that the client has to have.
func (s *Store) issue(r *driver.Record, key string, created time.Time) error {
	token, err := s.token(r, key, created)
	if err != nil {
		return err
	}
	r.Key, r.Version = token, onlyVersion
	return nil
}

// Retrieve implements [driver.Store].
func (s *Store) Retrieve(ctx context.Context, token string) (*driver.Record, error) {
	r, _, err := s.find(ctx, token)
	return r, err
}

// find returns the record of a token and its inner key, unless that was revoked.
func (s *Store) find(ctx context.Context, token string) (*driver.Record, string, error) {
	if err := s.ready(ctx); err != nil {
		return nil, "", err
	}
	r, key, err := s.open(token)
	if err != nil || s.revoked == nil {
		return r, key, err
	}
	switch _, err := s.revoked.Retrieve(ctx, key); {
	case err == nil:
		return nil, "", driver.ErrNotFound
	case !errors.Is(err, driver.ErrNotFound):
		return nil, "", err
	}
	return r, key, nil
}

// Flush implements [driver.Store], but for conflicts, of which it can't know.
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	was, key, err := s.find(ctx, r.Key)
	if err != nil {
		return err
	}
	return s.issue(r, key, was.Created)
}

// ChangeID implements [driver.Store]. The new token is made before the old one is
// revoked: a process that dies in between leaves the session usable.
func (s *Store) ChangeID(ctx context.Context, old string, r *driver.Record) error {
	was, key, err := s.find(ctx, old)
	if err != nil {
		return err
	}
	token, err := s.token(r, r.Key, was.Created)
	if err != nil {
		return err
	}
	if err := s.revoke(ctx, key, was.Expires); err != nil {
		return err
	}
	r.Key, r.Version = token, onlyVersion
	return nil
}

// Destroy implements [driver.Store]. Without revocations it ends nothing: package
// session then clears the cookie, and that is all.
func (s *Store) Destroy(ctx context.Context, token string) error {
	r, key, err := s.find(ctx, token)
	if err != nil {
		return err
	}
	return s.revoke(ctx, key, r.Expires)
}

// revoke notes that all tokens with that inner key are over. One that a request in
// flight has got may expire later than the one that is known.
func (s *Store) revoke(ctx context.Context, key string, expires time.Time) error {
	if s.revoked == nil {
		return nil
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	err := s.revoked.Create(ctx, &driver.Record{
		Key:     key,
		Created: now,
		Expires: now.Add(max(2*expires.Sub(now), 24*time.Hour)).Truncate(time.Millisecond),
	})
	if errors.Is(err, driver.ErrExists) {
		return driver.ErrNotFound // somebody else was faster
	}
	return err
}

// Sessions implements [driver.Store]: nobody knows what clients have.
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
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
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	if err := s.ready(ctx); err != nil || s.revoked == nil {
		return 0, err
	}
	return s.revoked.DeleteExpired(ctx)
}

// Ping implements [driver.Pinger] by a look at the revocations.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.ready(ctx); err != nil || s.revoked == nil {
		return err
	}
	_, err := s.revoked.Retrieve(ctx, "ping")
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}
