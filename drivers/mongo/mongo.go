// Package mongo keeps sessions in a collection of MongoDB, through
// go.mongodb.org/mongo-driver/v2. Any number of web servers share them.
//
// Importing the package registers the driver "mongo". Its DSN is a MongoDB
// connection string with the database in its path, and with two parameters of ours
// beside the standard ones:
//
//	mongodb://user:password@host1,host2/shop?replicaSet=rs0&collection=sessions
//
//	collection  the collection's name; default "sessions"
//	data        binary (the default), or document: see below
//
// Writes wait for the majority of the servers, and reads go to the primary: a
// secondary that lags behind would show sessions that have ended. A DSN that names
// another w or readPreference gets it, and with it that risk; w=0 is refused,
// because nobody could tell then whether a session was stored.
//
// A record is one document:
//
//	_id      an ObjectID that stays
//	key      the record's key, under a unique index
//	data     the values, as binary or as a document
//	meta     package session's own, binary
//	created  a date, as is expires
//	expires  under a TTL index: the server removes what has expired
//	subject  under an index with key; "" for anonymous sessions
//	version  a 64-bit number, random with each write
//
// The key is not the _id, which can't change: so ChangeID is one update of one
// document, and no moment shows the session twice or not at all. The price is an
// index more, and in each read a second look-up behind that index.
//
// The collection's indexes are created on first use. Servers that have no TTL
// indexes get a plain one, and the factory's sweeper deletes in batches of 1,000.
// Whatever has been removed or not, a record that has expired is not read. It is
// the clock of the web servers that judges.
//
// With data=document the values are a document that can be queried, like
// {"data.cart.items": 3}, provided that the session uses the JSON codec and no
// sealing. What comes back is what was stored, byte for byte. In names, a dot, a
// leading dollar and a percent sign are written %2E, %24 and %25, and an empty
// name %. Data of which no document can be made, because of a number beyond 64
// bits, say, is stored as binary. Whoever changes a document by other means has to
// change its version too. A collection may hold both forms.
//
// A record's document has at most 16 MiB; more is [driver.ErrTooLarge].
//
// Round trips: Retrieve, Flush, Touch, ChangeID, Create and Destroy take 1 each. A
// Flush or a ChangeID that finds the record changed or gone takes 2.
//
// Measured on two cores with FerretDB 1.24 beside, for want of a MongoDB: Retrieve
// takes 1.0 times the client's FindOne, Retrieve and Flush 1.03 times its FindOne
// and UpdateOne (go test -bench Overhead); ChangeID takes 1.1 times a Flush, less
// than an insert and a delete. FerretDB reads the whole collection for every
// command, so that it tells nothing about large ones; listing 100,000 sessions
// took 16 MiB of heap.
package mongo

import (
	"context"
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

// Driver opens stores by DSN; see the comment of the package.
type Driver struct{}

// Open returns a store for dsn. It does not connect. All methods of the store are
// safe for concurrent use.
func (Driver) Open(dsn string) (driver.Store, error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return newStore(d.connect, d.options), nil
}

// Options are the part of a DSN that is not about the client or the collection.
// The zero value is the default.
type Options struct {
	// DataAsDocument stores the values as a document rather than as binary.
	DataAsDocument bool
}

// Store is a [driver.Store] in a collection, with all the optional interfaces of
// package driver. Its methods are safe for concurrent use.
type Store struct {
	connect     connector
	asDocument  bool
	pageSize    int           // of listings
	preparing   chan struct{} // holds the token of whoever prepares the collection
	prepared    atomic.Pointer[mongo.Collection]
	expiresSelf atomic.Bool // the server has taken the TTL index

	mu     sync.Mutex        // guards what follows
	client *mongo.Client     // ours; nil before the first use
	coll   *mongo.Collection // of client; nil before the first use
	closed bool
}

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
)

// connector returns a collection, and its client if that is for Close to close.
type connector func(context.Context) (*mongo.Collection, *mongo.Client, error)

// New returns a store in a collection of an application's own client, which Close
// leaves open. Whatever that client does elsewhere, the sessions are read from the
// primary and written to the majority.
func New(collection *mongo.Collection, o Options) *Store {
	sessions := collection.Clone(options.Collection().
		SetReadPreference(readpref.Primary()).
		SetWriteConcern(writeconcern.Majority()))
	return newStore(func(context.Context) (*mongo.Collection, *mongo.Client, error) {
		return sessions, nil, nil
	}, o)
}

func newStore(connect connector, o Options) *Store {
	return &Store{
		connect:    connect,
		asDocument: o.DataAsDocument,
		pageSize:   defaultPageSize,
		preparing:  make(chan struct{}, 1),
	}
}

// grace is how long Close waits for calls that are under way.
const grace = 5 * time.Second

// Close closes the client if Open has made it.
func (s *Store) Close() error {
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

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
