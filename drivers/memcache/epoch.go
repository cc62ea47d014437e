package memcache

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// epoch is the number that the sessions of a subject have to carry to be alive.
// It is an item of its own, and counts up. If memcached has evicted it, it is no longer
// known which sessions were ended: then all sessions of the subject count as ended.
type epoch struct {
	Number uint64            `json:"n"`
	Except map[string]uint64 `json:"x,omitempty"` // keys that older epochs still are good for, from which on
	token  uint64
}

// admits reports whether a session under key that carries that epoch is alive.
func (e *epoch) admits(key string, number uint64) bool {
	if e == nil || number == 0 {
		return false
	}
	oldest := e.Except[key]
	return number == e.Number || oldest != 0 && oldest <= number && number < e.Number
}

// admitsFold is admits for the part of the epoch that is in a version. It knows the
// oldest and the newest; what is between them has to be read.
func (e *epoch) admitsFold(key string, part uint64) bool {
	if e == nil || part == 0 {
		return false
	}
	return part == fold(e.Number) || part == fold(e.Except[key])
}

// epochKey can't be the key of a record, in which there is no "@".
func (s *Store) epochKey(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return s.prefix + "@" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// epoch returns the epoch of a subject, or nil if there is none.
func (s *Store) epoch(ctx context.Context, subject string) (*epoch, error) {
	it, err := s.fetch(ctx, s.epochKey(subject))
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e := &epoch{token: it.CasID}
	if err := json.Unmarshal(it.Value, e); err != nil || e.Number == 0 {
		return nil, fmt.Errorf("%w: the epoch of its subject", driver.ErrCorrupt)
	}
	return e, nil
}

// begun is epoch, and begins one if there is none: at a random number, so that
// what an epoch before an eviction has ended stays ended.
func (s *Store) begun(ctx context.Context, subject string) (*epoch, error) {
	for refused := false; ; refused = true {
		e, err := s.epoch(ctx, subject)
		if e != nil || err != nil {
			return e, err
		}
		if refused {
			return nil, errStuck
		}
		e = &epoch{Number: rand.Uint64N(1<<53-1) + 1}
		value, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		err = s.do(ctx, func(c *memcache.Client) error {
			return c.Add(&memcache.Item{Key: s.epochKey(subject), Value: value})
		})
		if !errors.Is(err, memcache.ErrNotStored) {
			return e, err
		}
	}
}

// DestroySubject implements [driver.SubjectDestroyer]: it counts the epoch up, in
// one write. Under a key that is an exception the next epoch admits what this one
// does, whether or not a record is there yet: one may be about to be written. Pending
// copies carry their epoch and end with it; marks stay.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	for seen := uint64(0); ; {
		e, err := s.epoch(ctx, subject)
		switch {
		case err != nil || e == nil:
			return err
		case e.token == seen:
			return errStuck
		}
		next := epoch{Number: e.Number + 1, Except: map[string]uint64{}}
		for _, key := range except {
			next.Except[key] = cmp.Or(e.Except[key], e.Number)
		}
		value, err := json.Marshal(next)
		if err != nil {
			return err
		}
		err = s.cas(ctx, &memcache.Item{Key: s.epochKey(subject), Value: value}, e.token)
		if !rejected(err) {
			return err
		}
		seen = e.token
	}
}
