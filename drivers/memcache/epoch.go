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
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// epoch is the number that live sessions of a subject carry. It is stored in an item of its own,
// and DestroySubject increments it. If memcached has evicted the item, it is no longer known which
// sessions were ended, so all sessions of the subject count as ended. An epoch that cannot be
// parsed admits no session either; the next sign-in or DestroySubject replaces it.
//
// The item expires, but not before the sessions that carry the epoch or an earlier one.
type epoch struct {
	Number uint64            `json:"n"`
	Except map[string]uint64 `json:"x,omitempty"` // key to the oldest epoch that it may still carry
	Until  int64             `json:"u,omitempty"` // when the item expires, in Unix seconds; 0 is never, as in release 0.1
	token  uint64
}

// outlives reports whether the item of e expires no earlier than a session does.
func (e *epoch) outlives(expires time.Time) bool {
	return e.Until == 0 || !time.Unix(e.Until, 0).Before(expires)
}

// untilAfter returns when an epoch expires that has to outlive a session: later than the session,
// by half of its time, so that few writes of a session that is in use have to extend the epoch.
func untilAfter(expires time.Time) int64 {
	return expires.Add(max(time.Until(expires), 0)/2 + time.Second).Unix()
}

// admits reports whether a session under key that carries that epoch is alive. A nil epoch admits
// none.
func (e *epoch) admits(key string, number uint64) bool {
	if e == nil || number == 0 {
		return false
	}
	oldest := e.Except[key]
	return number == e.Number || oldest != 0 && oldest <= number && number < e.Number
}

// admitsFold is admits for the part of an epoch that a version contains. It recognizes the oldest
// and the newest admitted epoch; for epochs between them it returns false, and the caller reads
// the record.
func (e *epoch) admitsFold(key string, part uint64) bool {
	if e == nil || part == 0 {
		return false
	}
	return part == fold(e.Number) || part == fold(e.Except[key])
}

// epochKey returns the name of the subject's epoch. It is never a record's, which has no "@".
func (s *Store) epochKey(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return s.itemName("@" + base64.RawURLEncoding.EncodeToString(sum[:]))
}

// epoch returns the epoch of a subject, or nil if there is none. With ErrCorrupt only its token is
// set.
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
		return &epoch{token: it.CasID}, fmt.Errorf("%w: the epoch of its subject is malformed", driver.ErrCorrupt)
	}
	return e, nil
}

// newEpoch returns an epoch for a session that expires at that time. Its number is random, so that
// sessions of a lost epoch stay ended.
func newEpoch(expires time.Time) *epoch {
	return &epoch{Number: rand.Uint64N(1<<53-1) + 1, Until: untilAfter(expires)}
}

func (s *Store) epochItem(subject string, e *epoch) (*memcache.Item, error) {
	value, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	it := &memcache.Item{Key: s.epochKey(subject), Value: value}
	if e.Until != 0 {
		it.Expiration = expiration(time.Unix(e.Until, 0))
	}
	return it, s.fits(it)
}

// next returns the epoch that follows e. Of the sessions that e admits it admits only those under
// the keys in except.
func (e *epoch) next(except []string) *epoch {
	if e.Number == 0 { // corrupt
		return newEpoch(time.Now())
	}
	next := &epoch{Number: e.Number + 1, Except: map[string]uint64{}, Until: e.Until}
	for _, key := range except {
		next.Except[key] = cmp.Or(e.Except[key], e.Number)
	}
	return next
}

// ensureEpoch returns the epoch of a subject, for a session that expires at that time. It creates
// one if there is none, and replaces a corrupt one.
func (s *Store) ensureEpoch(ctx context.Context, subject string, expires time.Time) (*epoch, error) {
	for refused := false; ; {
		e, err := s.epoch(ctx, subject)
		corrupt := errors.Is(err, driver.ErrCorrupt)
		switch {
		case err != nil && !corrupt:
			return nil, err
		case err == nil && e != nil:
			err := s.extend(ctx, subject, "", e, expires)
			if errors.Is(err, driver.ErrNotFound) { // e has expired, or DestroySubject has replaced it
				refused = false
				continue
			}
			return e, err
		case refused:
			return nil, errStuck
		}
		created := newEpoch(expires)
		it, err := s.epochItem(subject, created)
		if err != nil {
			return nil, err
		}
		if corrupt {
			err = s.cas(ctx, it, e.token)
		} else {
			err = s.insert(ctx, it)
		}
		if !rejected(err) && !errors.Is(err, memcache.ErrNotStored) {
			return created, err
		}
		refused = true
	}
}

// extend makes the epoch of a subject, which was read as e, outlive a session under key that is
// about to be written with the number of e. A call that writes the epoch at the same time may have
// extended it already. If the epoch no longer admits that session, the error is ErrNotFound.
func (s *Store) extend(ctx context.Context, subject, key string, e *epoch, expires time.Time) error {
	number := e.Number
	for !e.outlives(expires) {
		longer := *e
		longer.Until = untilAfter(expires)
		it, err := s.epochItem(subject, &longer)
		if err != nil {
			return err
		}
		if err := s.cas(ctx, it, e.token); !rejected(err) {
			return err
		}
		seen := e.token
		e, err = s.epoch(ctx, subject)
		switch {
		case err != nil:
			return err
		case !e.admits(key, number):
			return driver.ErrNotFound
		case e.token == seen:
			return errStuck
		}
	}
	return nil
}

// DestroySubject implements [driver.SubjectDestroyer]: it increments the epoch, in one write. The
// keys in except need not hold a record yet: one may be about to be written. Pending copies end
// like records. Marks stay. The epoch contains the keys in except: if there are more than an item
// can hold, the error is ErrTooLarge, and no session ends.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	for seen := uint64(0); ; {
		e, err := s.epoch(ctx, subject)
		switch {
		case err != nil && !errors.Is(err, driver.ErrCorrupt), e == nil:
			return err
		case e.token == seen:
			return errStuck
		}
		it, err := s.epochItem(subject, e.next(except))
		if err != nil {
			return err
		}
		err = s.cas(ctx, it, e.token)
		if !rejected(err) {
			return err
		}
		seen = e.token
	}
}
