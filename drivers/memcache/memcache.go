// Package memcache keeps sessions in memcached, through
// github.com/bradfitz/gomemcache. Any number of web servers share them.
//
// Memcached is a cache. It forgets sessions when it is restarted, and when its
// memory is full it evicts those that were not used for the longest time: give it
// enough, and watch its count of evictions. Their users are signed out; nothing
// else is promised there. What is promised is the rest of the contract: no update
// is lost, no ended session comes back, and a server that is down is an error.
//
// Importing the package registers the driver "memcache". Its DSN is a list of
// servers, each host:port or the path of a unix socket, with parameters behind a
// question mark:
//
//	host1:11211,host2:11211?prefix=sess:&timeout=500ms
//
//	prefix         begins all keys, for servers that are shared; default "sess:"
//	timeout        for connecting, and for each answer; default 500ms
//	max_idle_conns connections that are kept for each server; default 100
//	max_item_size  in bytes, as the servers' option -I has it; default 1048576
//
// A session is on one of the servers, which its key picks by rendezvous hashing:
// another server takes over about 1/(N+1) of the sessions, and no others move.
// While a server is down, requests of its sessions fail; the others go on.
//
// The sessions of a subject can be ended in one step, but not listed: memcached
// has no index. [driver.SubjectDestroyer] works by an epoch: a number that stands
// beside the sessions of a subject and that each of them carries. Ending them is
// to count it up.
//
// Round trips: Retrieve 1, Flush 1, and one more each for a session with a
// subject. Touch takes 2 or 3, ChangeID 3 or 4.
//
// Measured on two cores with memcached beside: Retrieve takes 0.9 to 1.1 times the
// client's Get, Retrieve and Flush 0.7 to 1.1 times its Get and CompareAndSwap
// (go test -bench Overhead). Listing 100,000 sessions takes half a second and 18
// MiB of heap; meanwhile the 99th percentile of others' Retrieve went from 0.12 to
// 0.3 ms, the longest was 11 ms. A fourth server took over 25.0 % of 30,000
// sessions; with the client's own list of servers 75.0 % were lost.
package memcache

import (
	"cmp"
	"math"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func init() { session.Register("memcache", Driver{}) }

// Driver opens stores in memcached servers by DSN; see the comment of the
// package.
type Driver struct{}

// Open returns a store for dsn. It does not connect. All methods of the store are
// safe for concurrent use.
func (Driver) Open(dsn string) (driver.Store, error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	servers := newServers(d.addrs)
	s := newStore(servers, d.timeout, d.maxIdleConns, d.options)
	s.lines = &lines{servers: servers, timeout: d.timeout, maxIdle: d.maxIdleConns}
	return s, nil
}

// Options are the part of a DSN that is not about the client. The zero value is
// the default.
type Options struct {
	// Prefix begins all keys; the default is "sess:".
	Prefix string

	// MaxItemSize is the size of the largest item that the servers take, in
	// bytes; the default is theirs, 1 MiB.
	MaxItemSize int

	// Servers are those of the client, for listing: a client does not tell
	// them. Nil means that [driver.Store].Sessions is not supported.
	Servers memcache.ServerSelector
}

const (
	defaultPrefix      = "sess:"
	defaultMaxItemSize = 1 << 20
)

// Store is a [driver.Store] in memcached. Its methods are safe for concurrent
// use.
type Store struct {
	client  *memcache.Client        // an application's own, or nil
	lines   *lines                  // else
	maxIdle int                     // connections for each server
	servers memcache.ServerSelector // nil if they are not known
	timeout time.Duration           // of a listing, for each line of an answer
	prefix  string
	maxSize int
	closed  atomic.Bool
}

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
)

// New returns a store on an application's own client, which Close leaves open.
// Its MaxIdleConns must be more than gomemcache's default of 2 for a web server.
// Each call takes a goroutine here, which a store by DSN needs not.
func New(client *memcache.Client, o Options) *Store {
	s := newStore(o.Servers, cmp.Or(client.Timeout, memcache.DefaultTimeout), client.MaxIdleConns, o)
	s.client = client
	return s
}

func newStore(servers memcache.ServerSelector, timeout time.Duration, maxIdle int, o Options) *Store {
	return &Store{
		servers: servers,
		timeout: timeout,
		maxIdle: maxIdle,
		prefix:  cmp.Or(o.Prefix, defaultPrefix),
		maxSize: cmp.Or(o.MaxItemSize, defaultMaxItemSize),
	}
}

// Close closes the connections of a store that Open has made.
func (s *Store) Close() error {
	if s.closed.Swap(true) || s.lines == nil {
		return nil
	}
	return s.lines.close()
}

// expiration is when memcached may forget an item: in absolute seconds, since a
// relative time is taken for an absolute one if it is longer than 30 days; rounded
// up, since a record must not go too early, and a second more, by which memcached's
// clock may be ahead: it counts the seconds of another clock from the one in which it
// was started; and never 0, which is for ever.
func expiration(expires time.Time) int32 {
	seconds := expires.Add(2*time.Second - 1).Unix()
	return int32(min(max(seconds, 1), math.MaxInt32))
}
