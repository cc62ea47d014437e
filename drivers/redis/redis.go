package redis

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redis/rueidis"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func init() { session.Register("redis", Driver{}) }

// Driver opens stores by DSN. The package comment describes the DSN.
type Driver struct{}

// Open returns a [*Store] for dsn. It does not connect: the first call of the store does. The error
// quotes nothing of dsn.
func (Driver) Open(dsn string) (driver.Store, error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c := newConns(d.network)
	s := newStore(d.options)
	s.link = &link{open: func() (rueidis.Client, error) { return d.connect(c) }, conns: c, timeout: 2 * d.timeout, name: s.prefix + "!"}
	c.onLoss = s.link.drop
	return s, nil
}

// Options configure a store that [New] returns. The zero value is the default.
type Options struct {
	// Prefix begins the name of every key; the default is "sess:". It must end in a character
	// other than A-Z, a-z, 0-9, "-" and "_", and must contain neither "@" nor "!".
	Prefix string

	// Cluster says that the client is one of a cluster: unless Prefix has a hash tag, the
	// names begin with "{" + Prefix + "}".
	Cluster bool

	// Wait is how many replicas must have a change that ends a session or its ID before
	// Destroy, DestroySubject and ChangeID return nil; the default is 0.
	Wait int

	// WaitTimeout is how long they wait for the replicas, in whole milliseconds; the default is a
	// second.
	WaitTimeout time.Duration
}

const defaultWaitTimeout = time.Second

// Store is a [driver.Store] in Redis. [Driver.Open] and [New] return one; the calls of the zero
// value return errors. All methods are safe for concurrent use.
type Store struct{ *redacted }

// redacted keeps the DSN out of printed stores: for a verb that does not fit, package fmt follows
// one pointer to a struct, but not two.
type redacted struct{ *state }

type state struct {
	link        *link
	prefix      string // with the hash tag, if there is one
	wait        int
	waitTimeout time.Duration
	invalid     error // what is wrong with the arguments of New; each call returns it
}

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
	_ driver.RenameTracker    = (*Store)(nil)
	_ driver.Lossy            = (*Store)(nil)
)

// New returns a store that uses an application's own client. Close leaves the client open. New does
// no I/O. If client is nil or an option is not valid, each call of the store returns an error that
// says so.
//
// The client must send commands to primaries only, as it does unless SendToReplicas or ReplicaOnly is
// set. Set DisableRetry: otherwise the client repeats reads until their contexts are done when a server
// is down. The store does not use client-side caching. A call whose context is done while the client
// connects may return only after the Timeout of the client's Dialer.
func New(client rueidis.Client, o Options) *Store {
	s := newStore(o)
	s.link = &link{client: client, timeout: connectTimeout, name: s.prefix + "!"}
	switch err := checkPrefix(cmp.Or(o.Prefix, defaultPrefix)); {
	case client == nil:
		s.invalid = errors.New("redis: New needs a client")
	case err != nil:
		s.invalid = fmt.Errorf("redis: Options.Prefix %w", err)
	case o.Wait < 0 || o.WaitTimeout < 0:
		s.invalid = errors.New("redis: Options.Wait and Options.WaitTimeout must not be negative")
	}
	return s
}

// connectTimeout limits how long a store waits until an application's client has connected.
const connectTimeout = 10 * time.Second

func newStore(o Options) *Store {
	prefix := cmp.Or(o.Prefix, defaultPrefix)
	if o.Cluster {
		prefix = tagged(prefix)
	}
	return &Store{&redacted{&state{prefix: prefix, wait: o.Wait, waitTimeout: cmp.Or(o.WaitTimeout, defaultWaitTimeout)}}}
}

// Close closes the connections that the store has opened. It leaves the client that was passed to
// [New] open. Later calls of other methods return [driver.ErrClosed].
func (s *Store) Close() error {
	if s.made() {
		s.link.close()
	}
	return nil
}

// Format implements [fmt.Formatter]. It writes the name of the type, and nothing of the DSN.
func (*Store) Format(f fmt.State, _ rune) { io.WriteString(f, "redis.Store") }

// Loses implements [driver.Lossy].
func (s *Store) Loses() string {
	return "Redis replicates asynchronously: a failover, a restart or eviction may lose writes that it has acknowledged"
}
