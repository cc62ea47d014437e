package memcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// A record is one item: an envelope, whose Version is the epoch of the record's
// subject at the time of writing, or 0 if it has none.
//
// The Version of a record, as other packages see it, is made of two numbers, so that
// Flush need not read the record first: memcached's token for cas, and the low bits of
// the epoch.
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

// fetch reads an item. A server that was restarted has closed the connections that
// the client keeps, each of which is good for one error: reading can be tried
// again. Writing can't, for its outcome is not known.
func (s *Store) fetch(ctx context.Context, name string) (*memcache.Item, error) {
	for tries := 0; ; tries++ {
		it, err := await(ctx, s, func(c *memcache.Client) (*memcache.Item, error) {
			it, err := c.Get(name)
			if err == nil && it.Key != name {
				return nil, errOtherKey
			}
			return it, err
		})
		if !wasClosed(err) || tries > s.maxIdle {
			return it, err
		}
	}
}

func wasClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// errOtherKey: the answer belongs to another request. The connection is behind by an
// answer, so none of its later answers can be used.
var errOtherKey = errors.New("memcached: the answer is about another key than the one that was asked for")

// cas writes it over the item that has that token. If another item is there, it stays,
// and the error is ErrConflict; if there is none, the error is ErrNotFound. Any other
// error means that the outcome is not known.
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

// rejected reports whether err is that of a cas that has written nothing.
func rejected(err error) bool {
	return errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrNotFound)
}

// errStuck ends a loop after a round that has changed nothing.
var errStuck = errors.New("memcached: the server rejects a write although the item has not changed")
