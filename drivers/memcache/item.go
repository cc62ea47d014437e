package memcache

import (
	"context"
	"errors"
	"fmt"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// A record is one item whose value is an envelope. The envelope's Version is the epoch of the
// record's subject at the time of the write, or 0 for a record without a subject.
//
// The Version that the store returns combines two numbers, so that Flush need not read the record
// first: the low bits are memcached's cas token, the high bits are a part of the epoch.
const (
	tokenBits = 44 // enough for 100,000 writes a second during five years
	epochBits = 64 - tokenBits
)

func version(token, epoch uint64) (uint64, error) {
	if token >= 1<<tokenBits {
		return 0, fmt.Errorf("memcached: the server has counted more than 2^%d writes: restart it", tokenBits)
	}
	return token | fold(epoch)<<tokenBits, nil
}

func tokenOf(version uint64) uint64 { return version & (1<<tokenBits - 1) }

// foldOf returns the part of the epoch in a version. It is 0 for a record without a subject.
func foldOf(version uint64) uint64 { return version >> tokenBits }

// fold returns the part of an epoch that a version contains. It is 0 only for epoch 0, which
// stands for no epoch. Consecutive epochs differ in it.
func fold(epoch uint64) uint64 {
	if epoch == 0 {
		return 0
	}
	return epoch%(1<<epochBits-1) + 1
}

func (s *Store) recordKey(key string) string { return s.itemName(key) }

// itemName puts the prefix before the rest of an item's name. The zero Store has no prefix; it
// never sends the name.
func (s *Store) itemName(rest string) string {
	if !s.made() {
		return rest
	}
	return s.prefix + rest
}

// item encodes r, which carries that epoch. It returns ErrTooLarge for a record that is larger
// than the limit.
func (s *Store) item(r *driver.Record, epoch uint64) (*memcache.Item, error) {
	if !s.made() {
		return nil, errNotMade
	}
	carrier := *r
	carrier.Version = epoch
	it := &memcache.Item{
		Key:        s.recordKey(r.Key),
		Value:      driver.AppendEnvelope(nil, &carrier),
		Expiration: expiration(r.Expires),
	}
	return it, s.fits(it)
}

// fits returns ErrTooLarge for an item that is larger than the limit: a server might store it, but no
// store would read it. Memcached stores an item with its key and a header of about 60 bytes.
func (s *Store) fits(it *memcache.Item) error {
	if size := len(it.Key) + len(it.Value) + 64; size > s.maxSize {
		return fmt.Errorf("%w: %d bytes, and max_item_size is %d", driver.ErrTooLarge, size, s.maxSize)
	}
	return nil
}

// fetch reads an item. If there is none, the error is [memcache.ErrCacheMiss].
func (s *Store) fetch(ctx context.Context, name string) (*memcache.Item, error) {
	found, err := s.read(ctx, []string{name})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, memcache.ErrCacheMiss
	}
	return found[0], nil
}

// read reads the items with these names, which are all on one server. If the server has closed
// the connection, read tries again once, on a new one.
func (s *Store) read(ctx context.Context, names []string) ([]*memcache.Item, error) {
	gets := command{verb: "gets", names: names}
	found, err := s.send(ctx, gets)
	if wasClosed(err) {
		found, err = s.send(ctx, gets)
	}
	return found, err
}

// insert stores it if there is no item with its name. If there is one, the error is
// [memcache.ErrNotStored].
func (s *Store) insert(ctx context.Context, it *memcache.Item) error {
	_, err := s.send(ctx, command{verb: "add", item: it})
	return err
}

// cas replaces the stored item by it if the stored item has that token. If it has another token,
// it stays, and the error is ErrConflict. If there is no item, the error is ErrNotFound. After any
// other error the outcome is not known.
func (s *Store) cas(ctx context.Context, it *memcache.Item, token uint64) error {
	over := *it
	over.CasID = token
	_, err := s.send(ctx, command{verb: "cas", item: &over})
	switch {
	case errors.Is(err, memcache.ErrCacheMiss), errors.Is(err, memcache.ErrNotStored):
		return driver.ErrNotFound
	case errors.Is(err, memcache.ErrCASConflict):
		return driver.ErrConflict
	}
	return err
}

// rejected reports whether err is the error of a cas that has written nothing.
func rejected(err error) bool {
	return errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrNotFound)
}

// errStuck ends a retry loop after a round in which nothing has changed.
var errStuck = errors.New("memcached: the server rejects a write although the item has not changed")
