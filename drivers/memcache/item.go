package memcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// A record is one item: an envelope, whose Version is the epoch of the record's
// subject at the time of writing, or 0 if it has none.
//
// What everybody else sees as the Version of a record is made of two numbers, so
// that Flush need not read the record first: memcached's token for cas, and the
// low bits of the epoch.
const (
	tokenBits = 44 // at 100,000 writes a second they last for five years
	epochBits = 64 - tokenBits
)

func version(token, epoch uint64) (uint64, error) {
	if token >= 1<<tokenBits {
		return 0, fmt.Errorf("memcached: the server has counted more than 2^%d writes; restart it", tokenBits)
	}
	return token | fold(epoch)<<tokenBits, nil
}

func tokenOf(version uint64) uint64 { return version & (1<<tokenBits - 1) }

// foldOf is 0 for a record that had no subject.
func foldOf(version uint64) uint64 { return version >> tokenBits }

// fold is the part of an epoch that is in a version: never 0 for one that there
// is. Epochs count up, so that two that follow each other differ there.
func fold(epoch uint64) uint64 {
	if epoch == 0 {
		return 0
	}
	return epoch%(1<<epochBits-1) + 1
}

func (s *Store) recordKey(key string) string { return s.prefix + key }

// item encodes r for the epoch of its subject.
func (s *Store) item(r *driver.Record, epoch uint64) (*memcache.Item, error) {
	carrier := *r
	carrier.Version = epoch
	it := &memcache.Item{
		Key:        s.recordKey(r.Key),
		Value:      driver.AppendEnvelope(nil, &carrier),
		Expiration: expiration(r.Expires),
	}
	// An item is stored with its key, and with a header of about 60 bytes.
	if size := len(it.Key) + len(it.Value) + 64; size > s.maxSize {
		return nil, fmt.Errorf("%w: %d bytes, and max_item_size is %d", driver.ErrTooLarge, size, s.maxSize)
	}
	return it, nil
}

// entry is a record as it was found.
type entry struct {
	*driver.Record // its Version is that of everybody else
	token          uint64
	epoch          uint64 // that it carries
	current        uint64 // that of its subject when it was found alive
}

// fetch reads an item. A server that was restarted has closed the connections that
// the client keeps, each of which is good for one error: reading can be tried
// again. Writing can't, for its outcome is not known.
func (s *Store) fetch(ctx context.Context, name string) (*memcache.Item, error) {
	for tries := 0; ; tries++ {
		it, err := await(ctx, s, func(c *memcache.Client) (*memcache.Item, error) { return c.Get(name) })
		if !wasClosed(err) || tries > s.maxIdle {
			return it, err
		}
	}
}

func wasClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// get returns what is under key. If it has expired, or its subject's epoch is
// over, the error is ErrNotFound and there is an entry, of which only the token
// counts.
func (s *Store) get(ctx context.Context, key string) (*entry, error) {
	it, err := s.fetch(ctx, s.recordKey(key))
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, driver.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	e, err := parse(key, it)
	if err != nil || e.Subject == "" {
		return e, err
	}
	ep, err := s.epoch(ctx, e.Subject)
	switch {
	case err != nil:
	case !ep.admits(key, e.epoch):
		return s.ended(ctx, e)
	default:
		e.current = ep.Number
	}
	return e, err
}

// ended returns e, which its subject's epoch does not admit, unless it was replaced
// before that was read: then it had not ended, but moved to another subject.
func (s *Store) ended(ctx context.Context, e *entry) (*entry, error) {
	it, err := s.fetch(ctx, s.recordKey(e.Key))
	switch {
	case err == nil && it.CasID != e.token:
		return s.get(ctx, e.Key)
	case err == nil || errors.Is(err, memcache.ErrCacheMiss):
		return e, driver.ErrNotFound
	}
	return nil, err
}

// parse takes an item apart. For an expired one see get.
func parse(key string, it *memcache.Item) (*entry, error) {
	r, err := driver.ParseEnvelope(key, it.Value)
	if err != nil {
		return nil, err
	}
	e := &entry{Record: r, token: it.CasID, epoch: r.Version}
	if r.Version, err = version(it.CasID, e.epoch); err != nil {
		return nil, err
	}
	if !time.Now().Before(r.Expires) {
		err = driver.ErrNotFound
	}
	return e, err
}

// cas writes r over the item that has that token. Whatever is there instead, it
// stays.
func (s *Store) cas(ctx context.Context, it *memcache.Item, token uint64) error {
	it.CasID = token
	err := s.do(ctx, func(c *memcache.Client) error { return c.CompareAndSwap(it) })
	switch {
	case errors.Is(err, memcache.ErrCacheMiss), errors.Is(err, memcache.ErrNotStored):
		return driver.ErrNotFound
	case errors.Is(err, memcache.ErrCASConflict):
		return driver.ErrConflict
	}
	return err
}
