// Package memcache keeps sessions in memcached, through
// github.com/bradfitz/gomemcache. Any number of web servers share them.
//
// Memcached loses writes that it has acknowledged. When its memory is full it evicts
// the sessions that were not used for the longest time, and when it is restarted it
// forgets all of them: give it enough memory, and watch its count of evictions. The
// store says so through [driver.Lossy]. Users of lost sessions are signed out. No older
// state of a session comes back, with one exception: Destroy leaves an item for a
// minute that blocks an add which is still on its way, and if that item is lost the add
// succeeds. If the mark is lost that ChangeID leaves under an old key, a sign-out under
// the old ID no longer finds the session. The rest of the contract is kept: no update
// is lost, no ended session comes back, and a server that is down is an error.
//
// The clocks of the web servers have to agree within a few seconds. Memcached does not
// tell the time with an item, so the age of a mark is the difference between two of
// their clocks: a process that is off by more than 15 seconds may take a request that an
// ID change has overtaken for one that comes late, and its cookie then replaces the new
// one.
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
// ChangeID takes several steps. The new key first gets a copy that is flagged as
// pending, then the old record is replaced by a mark, which decides, then the flag is
// removed. If a process dies after the mark, the session is complete but Sessions does
// not list it before its next write.
//
// Round trips: Create, Retrieve, Flush and Renamed take 1, Touch and Destroy 2,
// ChangeID 4. Each but Renamed takes 1 more for a session with a subject, to read the
// epoch, and 2 more if it begins the epoch of the subject, or if ChangeID removes the
// subject. DestroySubject takes 2, however many sessions there are.
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

	// Servers are the client's servers, for listing: a client does not tell
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
	_ driver.RenameTracker    = (*Store)(nil)
	_ driver.Lossy            = (*Store)(nil)
)

// New returns a store on an application's own client, which Close leaves open.
// For a web server its MaxIdleConns has to be more than gomemcache's default of 2.
// Each call takes a goroutine, which a store by DSN does not need. If the server gives
// an answer that belongs to another call, the store closes the idle connections of the
// client, because the client does not tell which one has failed.
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

// Loses implements [driver.Lossy].
func (s *Store) Loses() string {
	return "memcached evicts sessions when its memory is full, and forgets all of them when it is restarted"
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
