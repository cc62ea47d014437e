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
	if err := s.add(ctx, it, r.Key, nil); err != nil {
		return err
	}
	r.Version = 0 // the text protocol does not tell it
	return nil
}

// add stores a new item, also in the place of one that is no live record and no
// live mark. That one is not replaced if mayReplace, unless it is nil, returns an error.
func (s *Store) add(ctx context.Context, it *memcache.Item, key string, mayReplace func() error) error {
	for seen := (*entry)(nil); ; {
		err := s.do(ctx, func(c *memcache.Client) error { return c.Add(it) })
		if !errors.Is(err, memcache.ErrNotStored) {
			return err
		}
		e, err := s.get(ctx, key)
		switch {
		case err == nil, errors.Is(err, driver.ErrCorrupt), e.marked():
			return driver.ErrExists
		case !errors.Is(err, driver.ErrNotFound):
			return err
		case e == nil:
			e = &entry{} // nothing is there; no item has the token 0
		default:
			if mayReplace != nil {
				if err := mayReplace(); err != nil {
					return err
				}
			}
			if err := s.cas(ctx, it, e.token); !rejected(err) {
				return err
			}
		}
		if seen != nil && seen.token == e.token {
			return errStuck
		}
		seen = e
	}
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
// ended session back. What it writes is no pending copy any more.
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	if r.Version == 0 {
		return s.refusal(ctx, r.Key)
	}
	epoch, err := s.epochToWrite(ctx, r.Key, r)
	if err != nil {
		return err
	}
	it, err := s.item(r, epoch)
	if err != nil {
		return err
	}
	err = s.cas(ctx, it, tokenOf(r.Version))
	if errors.Is(err, driver.ErrConflict) {
		return s.refusal(ctx, r.Key)
	}
	if err == nil {
		r.Version = 0
	}
	return err
}

// refusal returns why a write over another version than the stored one fails.
func (s *Store) refusal(ctx context.Context, key string) error {
	if _, err := s.get(ctx, key); err != nil {
		return err
	}
	return driver.ErrConflict
}

// epochToWrite returns the number that r has to carry in place of the record under
// key, of which it knows only r.Version. It fails if that record's own epoch has
// ended it. A version without an epoch needs no look at the record, nor does one that
// the epoch of r.Subject admits; otherwise the subject changes, and the record is read
// for its old one.
func (s *Store) epochToWrite(ctx context.Context, key string, r *driver.Record) (uint64, error) {
	had := foldOf(r.Version)
	if had == 0 {
		return s.epochFor(ctx, r.Subject)
	}
	if r.Subject != "" {
		e, err := s.epoch(ctx, r.Subject)
		if err != nil {
			return 0, err
		}
		if e.admitsFold(key, had) {
			return e.Number, nil
		}
	}
	e, err := s.get(ctx, key)
	switch {
	case err != nil:
		return 0, err
	case e.Version != r.Version:
		return 0, driver.ErrConflict
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

// Touch implements [driver.Toucher]. The expiry is in the item too, so it is
// written anew, and is no pending copy any more.
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	for seen := uint64(0); ; {
		e, err := s.get(ctx, key)
		switch {
		case err != nil:
			return err
		case e.token == seen:
			return errStuck
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
		seen = e.token
	}
}

// Destroy implements [driver.Store]. It replaces the item that it has seen by an ended
// one, by cas: to delete whatever is there could delete the mark of a ChangeID that
// came between, and an add that arrives late would bring the record back.
func (s *Store) Destroy(ctx context.Context, key string) error {
	for seen := uint64(0); ; {
		e, err := s.get(ctx, key)
		switch {
		case err != nil && !errors.Is(err, driver.ErrCorrupt):
			return err
		case e.token == seen:
			return errStuck
		}
		err = s.cas(ctx, s.endedItem(key), e.token)
		if !errors.Is(err, driver.ErrConflict) {
			return err
		}
		seen = e.token
	}
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
