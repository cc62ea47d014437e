package memcache

import (
	"context"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	epoch, err := s.epochFor(ctx, r.Subject)
	if err != nil {
		return err
	}
	it, err := s.item(r, epoch)
	if err != nil {
		return err
	}
	if err := s.add(ctx, it, r.Key); err != nil {
		return err
	}
	r.Version = 0 // the text protocol does not tell it
	return nil
}

// add stores a new item. One that is no live record, but that memcached has not
// dropped yet, makes room.
func (s *Store) add(ctx context.Context, it *memcache.Item, key string) error {
	for {
		err := s.do(ctx, func(c *memcache.Client) error { return c.Add(it) })
		if !errors.Is(err, memcache.ErrNotStored) {
			return err
		}
		e, err := s.get(ctx, key)
		switch {
		case err == nil:
			return driver.ErrExists
		case !errors.Is(err, driver.ErrNotFound):
			return err
		case e != nil:
			err := s.remove(ctx, key, e.token)
			if err := ignore(err, driver.ErrConflict, driver.ErrNotFound); err != nil {
				return err
			}
		}
	}
}

// remove deletes the item that has that token, in one step: memcached has no such
// call, but one that expired in the past is gone at once.
func (s *Store) remove(ctx context.Context, key string, token uint64) error {
	return s.cas(ctx, &memcache.Item{Key: s.recordKey(key), Expiration: -1}, token)
}

// epochFor is the number that a record of the subject has to carry.
func (s *Store) epochFor(ctx context.Context, subject string) (uint64, error) {
	if subject == "" {
		return 0, nil
	}
	e, err := s.begun(ctx, subject)
	if err != nil {
		return 0, err
	}
	return e.Number, nil
}

// Retrieve implements [driver.Store].
func (s *Store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	e, err := s.get(ctx, key)
	if err != nil {
		return nil, err
	}
	return e.Record, nil
}

// Flush implements [driver.Store], by cas and never by set, which would bring an
// ended session back.
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	epoch, err := s.epochToFlush(ctx, r)
	if err != nil {
		return err
	}
	it, err := s.item(r, epoch)
	if err != nil {
		return err
	}
	err = s.cas(ctx, it, tokenOf(r.Version))
	if errors.Is(err, driver.ErrConflict) {
		_, err := s.get(ctx, r.Key) // it may not be alive
		if err == nil {
			err = driver.ErrConflict
		}
		return err
	}
	if err == nil {
		r.Version = 0
	}
	return err
}

// epochToFlush is epochFor, if the record that is stored was not ended by its own
// epoch. If its version tells that it had the same subject, that is enough to
// know; only if the subject changes it has to be read.
func (s *Store) epochToFlush(ctx context.Context, r *driver.Record) (uint64, error) {
	had := foldOf(r.Version)
	if had == 0 && r.Subject == "" {
		return 0, nil
	}
	if had != 0 && r.Subject != "" {
		e, err := s.epoch(ctx, r.Subject)
		if err != nil {
			return 0, err
		}
		if e.admitsFold(r.Key, had) {
			return e.Number, nil
		}
	}
	e, err := s.get(ctx, r.Key)
	if err != nil {
		return 0, err
	}
	return s.epochAfter(ctx, e, r.Subject)
}

// epochAfter is what a record that was e has to carry as one of the subject. If
// that stays the same, so does what was read with e: a later epoch may have ended
// e, and must not be carried by what comes of it.
func (s *Store) epochAfter(ctx context.Context, e *entry, subject string) (uint64, error) {
	if e.Subject == subject {
		return e.current, nil
	}
	return s.epochFor(ctx, subject)
}

// ChangeID implements [driver.Store]. The record is added under its new key before
// the old one is removed, on the condition that nobody has changed that: a process
// that dies in between leaves the session under its old key, and a copy whose ID
// nobody was told. If the condition fails, the copy is taken back.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	old, err := s.get(ctx, oldKey)
	if err != nil {
		return err
	}
	if old.Version != r.Version {
		return driver.ErrConflict
	}
	epoch, err := s.epochAfter(ctx, old, r.Subject)
	if err != nil {
		return err
	}
	it, err := s.item(r, epoch)
	if err != nil {
		return err
	}
	if err := s.add(ctx, it, r.Key); err != nil {
		return err
	}
	err = s.remove(ctx, oldKey, old.token)
	if errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrNotFound) {
		// After another error the old record may be gone, and the copy is all
		// that there is.
		undo := s.do(context.WithoutCancel(ctx), func(c *memcache.Client) error { return c.Delete(it.Key) })
		return errors.Join(err, ignore(undo, memcache.ErrCacheMiss))
	}
	if err == nil {
		r.Version = 0
	}
	return err
}

// Touch implements [driver.Toucher]. The expiry is in the item too, so it is
// written anew.
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	for {
		e, err := s.get(ctx, key)
		if err != nil {
			return err
		}
		e.Expires = expires
		it, err := s.item(e.Record, e.epoch)
		if err != nil {
			return err
		}
		err = s.cas(ctx, it, e.token)
		if !errors.Is(err, driver.ErrConflict) {
			return err
		}
	}
}

// Destroy implements [driver.Store].
func (s *Store) Destroy(ctx context.Context, key string) error {
	if _, err := s.get(ctx, key); err != nil && !errors.Is(err, driver.ErrCorrupt) {
		return err
	}
	err := s.do(ctx, func(c *memcache.Client) error { return c.Delete(s.recordKey(key)) })
	if errors.Is(err, memcache.ErrCacheMiss) {
		return driver.ErrNotFound
	}
	return err
}

// DeleteExpired implements [driver.Store]: memcached does it.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	if s.closed.Load() {
		return 0, driver.ErrClosed
	}
	return 0, ctx.Err()
}

// Ping implements [driver.Pinger]: every server has to answer.
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, (*memcache.Client).Ping)
}

// ignore returns err unless it is one of those.
func ignore(err error, those ...error) error {
	for _, e := range those {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}
