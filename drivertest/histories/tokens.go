package histories

import (
	"context"
	"fmt"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
)

// tokens holds the cookies of one client, and makes a [driver.ClientSide] store look like a store
// on a server to that client. A key stands for the latest token that the client was sent. What
// such a store can't know, a conflict or that a session has ended, tokens knows.
type tokens struct {
	driver.Store
	forgets  bool              // the store does not record what has ended, so the client drops the token
	token    map[string]string // by key
	versions map[string]uint64
	made     int
}

func newTokens(tgt drivertest.Target, s driver.Store) *tokens {
	_, forgets := tgt.Skip["Destroy/Removes"]
	return &tokens{Store: s, forgets: forgets, token: map[string]string{}, versions: map[string]uint64{}}
}

// of returns the token under key. If there is none, it returns key, which no store takes for a
// token.
func (s *tokens) of(key string) string {
	if token, ok := s.token[key]; ok {
		return token
	}
	return key
}

// Create gives the record a key that no session has had, as package session does: a store may
// have recorded that the session of an older key has ended.
func (s *tokens) Create(ctx context.Context, r *driver.Record) error {
	if _, err := s.Store.Retrieve(ctx, s.of(r.Key)); err == nil {
		return driver.ErrExists
	}
	key := r.Key
	r.Key = s.fresh(key)
	return s.keep(key, r, s.Store.Create(ctx, r))
}

func (s *tokens) fresh(key string) string {
	s.made++
	return fmt.Sprintf("%s-%d", key, s.made)
}

// keep stores the token of the record r, which was written under key, unless err is set.
func (s *tokens) keep(key string, r *driver.Record, err error) error {
	if err == nil {
		s.made++
		s.token[key], s.versions[key] = r.Key, uint64(s.made)
		r.Version = uint64(s.made)
	}
	r.Key = key
	return err
}

func (s *tokens) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	r, err := s.Store.Retrieve(ctx, s.of(key))
	if err == nil && r != nil {
		r.Key, r.Version = key, s.versions[key]
	}
	return r, err
}

func (s *tokens) Flush(ctx context.Context, r *driver.Record) error {
	if err := s.conflict(ctx, r.Key, r.Version); err != nil {
		return err
	}
	key := r.Key
	r.Key = s.of(key)
	return s.keep(key, r, s.Store.Flush(ctx, r))
}

func (s *tokens) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	if err := s.conflict(ctx, oldKey, r.Version); err != nil {
		return err
	}
	if _, err := s.Store.Retrieve(ctx, s.of(oldKey)); err != nil {
		return err
	}
	if _, err := s.Store.Retrieve(ctx, s.of(r.Key)); err == nil {
		if _, err := s.Store.Retrieve(ctx, s.of(oldKey)); err != nil {
			return err // an error about the old key goes before ErrExists
		}
		return driver.ErrExists
	}
	key := r.Key
	r.Key = s.fresh(key)
	err := s.keep(key, r, s.Store.ChangeID(ctx, s.of(oldKey), r))
	return s.ended(oldKey, err)
}

func (s *tokens) Destroy(ctx context.Context, key string) error {
	return s.ended(key, s.Store.Destroy(ctx, s.of(key)))
}

// ended drops the token of a session that has ended, if the store does not record that.
func (s *tokens) ended(key string, err error) error {
	if err == nil && s.forgets {
		delete(s.token, key)
	}
	return err
}

// conflict returns the error of a write over a version that is not the client's latest.
func (s *tokens) conflict(ctx context.Context, key string, version uint64) error {
	if version == s.versions[key] {
		return nil
	}
	if _, err := s.Store.Retrieve(ctx, s.of(key)); err != nil {
		return err
	}
	return driver.ErrConflict
}
