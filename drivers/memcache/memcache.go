package memcache

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func init() { session.Register("memcache", Driver{}) }

// Driver opens stores by DSN. The package comment describes the DSN.
type Driver struct{}

// Open returns a [*Store] for dsn. It does not connect: the first call of the store does.
// The error quotes nothing of dsn.
func (Driver) Open(dsn string) (driver.Store, error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	servers := newServers(d.addrs)
	s := newStore(servers, d.timeout, d.options)
	s.pools = make(map[net.Addr]*pool, len(d.addrs))
	for _, addr := range d.addrs {
		s.pools[addr] = &pool{addr: addr, timeout: d.timeout, maxIdle: d.maxIdleConns, maxSize: s.maxSize}
	}
	return s, nil
}

// Options configure a store that [New] returns. The zero value is the default.
type Options struct {
	// Prefix begins the name of every item; the default is "sess:". It must end in a
	// character other than A-Z, a-z, 0-9, "-", "_" and "@".
	Prefix string

	// MaxItemSize is the size in bytes of the largest item that the servers accept, from
	// 1024 to 1<<30; the default is memcached's, 1 MiB.
	MaxItemSize int

	// Servers is the ServerSelector of the client, which does not reveal it. Sessions needs
	// it to list, Ping to check every server, and errors to name one. If it is nil, Sessions
	// yields [errors.ErrUnsupported].
	Servers memcache.ServerSelector
}

const (
	defaultPrefix      = "sess:"
	defaultMaxItemSize = 1 << 20
)

// Store is a [driver.Store] in memcached. [Driver.Open] and [New] return one; the calls of the
// zero value return errors. All methods are safe for concurrent use.
type Store struct{ *redacted }

// redacted keeps the DSN out of printed stores: for a verb that does not fit, package fmt
// follows one pointer to a struct, but not two.
type redacted struct{ *state }

type state struct {
	client  *memcache.Client        // the application's, or nil
	pools   map[net.Addr]*pool      // of a store by DSN
	servers memcache.ServerSelector // nil if not known
	timeout time.Duration           // for each line of a listing
	prefix  string
	maxSize int
	invalid error // what is wrong with the arguments of New; each call returns it
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

// New returns a store that uses an application's own client. Close leaves the client open.
// New does no I/O. If client is nil or an option is not valid, each call of the store returns
// an error that says so.
//
// A web server needs a client whose MaxIdleConns is larger than gomemcache's default of 2.
// Prefer [Driver.Open] where possible: a store on a client starts a goroutine for each command
// and cannot check connections. A write on a connection that the server has closed fails, and
// its outcome is not known. After such a failure, or an answer that belongs to another call,
// the store closes all idle connections of the client, because the client does not tell which
// connection failed.
func New(client *memcache.Client, o Options) *Store {
	s := newStore(o.Servers, memcache.DefaultTimeout, o)
	if client == nil {
		s.invalid = errors.New("memcache: New needs a client")
		return s
	}
	s.client, s.timeout = client, cmp.Or(client.Timeout, s.timeout)
	if err := checkPrefix(s.prefix); err != nil {
		s.invalid = fmt.Errorf("memcache: Options.Prefix %w", err)
	}
	if err := checkMaxItemSize(s.maxSize); err != nil {
		s.invalid, s.maxSize = fmt.Errorf("memcache: Options.MaxItemSize %w", err), defaultMaxItemSize
	}
	return s
}

func newStore(servers memcache.ServerSelector, timeout time.Duration, o Options) *Store {
	return &Store{&redacted{&state{
		servers: servers,
		timeout: timeout,
		prefix:  cmp.Or(o.Prefix, defaultPrefix),
		maxSize: cmp.Or(o.MaxItemSize, defaultMaxItemSize),
	}}}
}

// Close closes the connections that the store has opened. It leaves the client that was passed
// to [New] open. Later calls of other methods return [driver.ErrClosed].
func (s *Store) Close() error {
	if !s.made() {
		return nil
	}
	s.closed.Store(true)
	for _, p := range s.pools {
		p.close()
	}
	return nil
}

// Format implements [fmt.Formatter]. It writes the name of the type, and nothing of the DSN.
func (*Store) Format(f fmt.State, _ rune) { io.WriteString(f, "memcache.Store") }

// Loses implements [driver.Lossy].
func (s *Store) Loses() string {
	return "memcached evicts sessions when its memory is full, and forgets all of them when it restarts"
}

// expiration returns the exptime of an item that expires at that time. It is an absolute Unix
// time, because memcached takes a relative time above 30 days for an absolute one. It is
// rounded up and one second later, because memcached's clock, which starts at a whole second
// and counts the seconds of another clock, may be ahead by up to a second. It is never 0, which
// means that the item never expires.
func expiration(expires time.Time) int32 {
	seconds := expires.Add(2*time.Second - 1).Unix()
	return int32(min(max(seconds, 1), math.MaxInt32))
}
