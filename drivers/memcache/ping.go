package memcache

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// Ping implements [driver.Pinger]: on every server it stores an item of its own, reads it, and
// replaces it by one that has expired. If Ping is interrupted, the item expires after some
// seconds. If the servers are not known, because Options.Servers is nil, Ping checks one of them.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if s.servers == nil {
		return s.tryWrite(ctx, s.pingName())
	}
	for _, addr := range s.addrs() {
		name, found := s.pingNameOn(addr)
		if !found {
			continue // the server has no share of the items
		}
		if err := s.tryWrite(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// pingName returns a random name that no other call uses. It is never a record's, which has no "@",
// and never an epoch's, which is longer.
func (s *Store) pingName() string { return s.prefix + "@ping-" + rand.Text() }

// maxPingNames is the number of names that are tried to find one on a given server. The servers of
// a DSN share the names evenly; the servers of a client may have weights, and a weight may be 0.
const maxPingNames = 10_000

func (s *Store) pingNameOn(addr net.Addr) (name string, found bool) {
	for range maxPingNames {
		if name = s.pingName(); s.picks(addr, name) {
			return name, true
		}
	}
	return "", false
}

const (
	pingLifetime = 5 * time.Second
	pingSize     = 450 // like a usual session, because each size class has its own memory
)

// tryWrite stores, reads and expires an item, with the commands that sessions use.
func (s *Store) tryWrite(ctx context.Context, name string) error {
	it := &memcache.Item{Key: name, Value: make([]byte, pingSize), Expiration: expiration(time.Now().Add(pingLifetime))}
	if err := s.insert(ctx, it); err != nil {
		return s.pingError(err, name)
	}
	found, err := s.fetch(ctx, name)
	if err != nil {
		return s.pingError(err, name)
	}
	if len(found.Value) != pingSize {
		return s.explain(errUnexpected, s.serverOf(name))
	}
	it.Expiration = -1
	return s.pingError(s.cas(ctx, it, found.CasID), name)
}

// pingError returns err. It replaces an error that callers would take for an answer about a session.
func (s *Store) pingError(err error, name string) error {
	if isRefusal(err) || rejected(err) {
		return s.explain(errLostAtOnce, s.serverOf(name))
	}
	return err
}

var errLostAtOnce = errors.New("the server has lost an item that was just written, or rejects a write over it")
