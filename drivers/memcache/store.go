package memcache

import (
	"context"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// Create implements [driver.Store]. It sets r.Version to 0, which means not known.
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	epoch, err := s.epochFor(ctx, r.Subject, r.Expires)
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
	r.Version = 0 // the text protocol does not return it
	return nil
}

// add stores a new item. If the key holds a live record, a live mark or a corrupt item, the error
// is ErrExists. add replaces any other item, unless mayReplace is not nil and returns an error.
func (s *Store) add(ctx context.Context, it *memcache.Item, key string, mayReplace func() error) error {
	for seen := (*entry)(nil); ; {
		err := s.insert(ctx, it)
		if !errors.Is(err, memcache.ErrNotStored) {
			return err
		}
		e, err := s.get(ctx, key)
		switch {
		case err == nil, errors.Is(err, driver.ErrCorrupt), e.isLiveMark():
			return driver.ErrExists
		case !errors.Is(err, driver.ErrNotFound):
			return err
		case e == nil:
			e = &entry{} // no item; token 0 belongs to none
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

// epochFor returns the epoch that a record of the subject has to carry. It creates or extends the
// epoch if needed.
func (s *Store) epochFor(ctx context.Context, subject string, expires time.Time) (uint64, error) {
	if subject == "" {
		return 0, nil
	}
	e, err := s.ensureEpoch(ctx, subject, expires)
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

// Flush implements [driver.Store]. It writes by cas, because set would bring an ended session
// back. It also removes the flag of a pending copy, and sets r.Version to 0, which means not
// known.
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

// refusal returns why a write failed whose version is not the stored one.
func (s *Store) refusal(ctx context.Context, key string) error {
	if _, err := s.get(ctx, key); err != nil {
		return err
	}
	return driver.ErrConflict
}

// epochToWrite returns the epoch that r has to carry when it replaces the record under key. It
// returns ErrNotFound if the stored record has ended by its own epoch. It reads the stored record
// only if r.Version contains an epoch that the epoch of r.Subject does not admit: then the
// subject may have changed, and the old subject's epoch decides.
func (s *Store) epochToWrite(ctx context.Context, key string, r *driver.Record) (uint64, error) {
	stored := foldOf(r.Version)
	if stored == 0 {
		return s.epochFor(ctx, r.Subject, r.Expires)
	}
	if r.Subject != "" {
		e, err := s.epoch(ctx, r.Subject)
		if err != nil && !errors.Is(err, driver.ErrCorrupt) {
			return 0, err
		}
		if e.admitsFold(key, stored) {
			return e.Number, s.extend(ctx, r.Subject, key, e, r.Expires)
		}
	}
	e, err := s.get(ctx, key)
	switch {
	case err != nil:
		return 0, err
	case e.Version != r.Version:
		return 0, driver.ErrConflict
	}
	return s.epochAfter(ctx, e, r)
}

// epochAfter returns the epoch that r has to carry when it replaces e. If the subject stays the
// same, that is the epoch that was read with e: a later epoch may have ended e, and a write must
// not revive it.
func (s *Store) epochAfter(ctx context.Context, e *entry, r *driver.Record) (uint64, error) {
	if e.Subject == r.Subject && e.current != nil {
		return e.current.Number, s.extend(ctx, r.Subject, e.Key, e.current, r.Expires)
	}
	return s.epochFor(ctx, r.Subject, r.Expires)
}

// Touch implements [driver.Toucher]. It writes the whole item, because the item's value contains
// the expiry. It also removes the flag of a pending copy.
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
		if e.current != nil {
			if err := s.extend(ctx, e.Subject, key, e.current, expires); err != nil {
				return err
			}
		}
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

// Destroy implements [driver.Store]. It replaces the item that it has read by an ended item, by
// cas. A delete could remove the mark of a concurrent ChangeID, and an add that arrives late
// would bring the record back.
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

// DeleteExpired implements [driver.Store]. It returns 0: memcached expires records by itself.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	return 0, s.usable(ctx)
}
