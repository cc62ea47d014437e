package mongo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func init() { session.Register("mongo", Driver{}) }

// Driver opens stores by DSN. The package comment describes the DSN.
type Driver struct{}

// Open returns a [*Store] for dsn. It does not connect: the first call of the store does. The error
// quotes nothing of dsn.
func (Driver) Open(dsn string) (driver.Store, error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return newStore(d.connect, d.options), nil
}

// Options configure a store that [New] returns. The zero value is the default.
type Options struct {
	// DataAsDocument stores the values as a document rather than as binary, as data=document
	// in a DSN does.
	DataAsDocument bool
}

// Store is a [driver.Store] in a collection. [Driver.Open] and [New] return one; the calls of the
// zero value return errors. All methods are safe for concurrent use.
type Store struct {
	connect    connector
	shared     bool // the client belongs to the application
	asDocument bool
	pageSize   int                              // of listings
	preparing  chan struct{}                    // full while a call prepares the collection
	prepared   atomic.Pointer[mongo.Collection] // nil until the collection is prepared
	ttlRecords atomic.Bool                      // the server removes expired records
	ttlMarks   atomic.Bool                      // the server removes old marks

	mu     sync.Mutex        // guards client, coll and closed
	client *mongo.Client     // nil before the first use, and if shared
	coll   *mongo.Collection // nil before the first use
	closed bool
}

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
	_ driver.RenameTracker    = (*Store)(nil)
)

// connector returns a collection, and its client if Close has to close it.
type connector func(context.Context) (*mongo.Collection, *mongo.Client, error)

// New returns a store in a collection of an application's own client. Close leaves the client open.
// The store reads from the primary and writes to the majority, whatever the client's options are.
// New does no I/O. If collection is nil, each call of the store returns an error that says so.
func New(collection *mongo.Collection, o Options) *Store {
	if collection == nil {
		return newStore(func(context.Context) (*mongo.Collection, *mongo.Client, error) {
			return nil, nil, errors.New("mongo: New needs a collection")
		}, o)
	}
	sessions := collection.Clone(options.Collection().
		SetReadPreference(readpref.Primary()).
		SetWriteConcern(writeconcern.Majority()))
	s := newStore(func(context.Context) (*mongo.Collection, *mongo.Client, error) {
		return sessions, nil, nil
	}, o)
	s.shared = true
	return s
}

func newStore(connect connector, o Options) *Store {
	return &Store{
		connect:    connect,
		asDocument: o.DataAsDocument,
		pageSize:   defaultPageSize,
		preparing:  make(chan struct{}, 1),
	}
}

// grace is how long Close waits for calls in progress.
const grace = 5 * time.Second

// Close closes the client that [Driver.Open] has made, and waits up to 5 seconds for its calls in
// progress. It leaves the client of a collection that was passed to [New] open. Later calls of
// other methods return [driver.ErrClosed].
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	client := s.client
	s.client, s.coll, s.closed = nil, nil, true
	s.mu.Unlock()
	s.prepared.Store(nil)
	if client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return s.explain(ctx, client.Disconnect(ctx))
}

// Format implements [fmt.Formatter]. It writes the name of the type, and nothing of the DSN.
func (*Store) Format(f fmt.State, _ rune) { io.WriteString(f, "mongo.Store") }

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
