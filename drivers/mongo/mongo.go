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
// Writes wait for the majority of the servers, and reads go to the primary, whatever
// the DSN says about w and readPreference; w=0 is refused. So an acknowledged write
// survives whatever the majority survives, and the store is no [driver.Lossy]. A
// primary that is cut off from the majority answers reads for some seconds more, until
// it notices; readConcernLevel=linearizable in the DSN rules that out and makes each
// read wait for the majority.
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
//	was      {key, at}: the former key and the time of the ID change; in a record that
//	         was never renamed its own key; was.key is under a unique index
//
// The key is not the _id, which can't change. ChangeID is therefore one update of
// one document, and the session is never there twice or missing. The price is the
// indexes under key and was, and in each read a second look-up behind the index.
//
// An ID change leaves a mark, which [driver.RenameTracker] describes: was, which the
// update that renames the record sets. It serves as the mark until the record is
// renamed again. Its index refuses a Create under the old key. If the record is
// renamed again within ten minutes, ChangeID inserts the first mark as a document of
// its own before the update overwrites was:
//
//	key  the old key, in the records' index
//	to   the key that followed
//	at   a date, under a TTL index: the server removes marks after 11 minutes
//
// So a process that dies between the steps loses no mark. What it leaves at most is
// a mark that the record holds too. A mark in was is gone when its record has ended;
// then the old key can be used again.
//
// No index refuses a ChangeID onto the old key of another record: ChangeID reads
// whether there is one before it updates. It can overlook a record that is created
// under that key and renamed between these two steps. Package session changes only to
// new random keys.
//
// The store creates the collection's indexes on first use. Servers without TTL
// indexes get plain ones, and DeleteExpired deletes in batches of 1,000; so it is for
// an index that exists with other options. An expired record or mark is never read,
// whether or not it has been removed. The web servers' clocks decide.
//
// With data=document the values are a document that can be queried, like
// {"data.cart.items": 3}, provided that the session uses the JSON codec and no
// sealing. What comes back is what was stored, byte for byte. In names, a dot, a
// leading dollar and a percent sign are written %2E, %24 and %25, and an empty
// name %. Data of which no document can be made, because of a number beyond 64
// bits, say, is stored as binary. If a document is changed by other means, its version has
// to change too. A collection may hold both forms.
//
// A record's document has at most 16 MiB; more is [driver.ErrTooLarge].
//
// The store cannot tell a document that was edited by hand from its own as long as
// the types of its fields are right: only Retrieve looks into data, and returns
// [driver.ErrCorrupt] for what is no JSON.
//
// Round trips: Retrieve, Flush, Touch, Create, Destroy and Renamed take 1 each,
// ChangeID 2: it reads what concerns the two keys, and updates the record. The second
// ChangeID of a record within ten minutes takes 3, because it inserts a mark. A Flush
// or Touch that finds the record changed or gone takes 1 more, a ChangeID 2 in all.
//
// Measured on two cores with FerretDB 1.24 beside, as there was no MongoDB: Retrieve
// takes 1.0 times the client's FindOne, Retrieve and Flush 1.03 times its FindOne
// and UpdateOne (go test -bench Overhead). FerretDB reads the whole collection for
// every command, so that it tells nothing about large ones, nor about ChangeID,
// which looks for a key that is not there; listing 100,000 sessions took 16 MiB of
// heap.
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

// Store is a [driver.Store] in a collection, with the optional interfaces of package
// driver but for ClientSide and Lossy. Its methods are safe for concurrent use.
type Store struct {
	connect     connector
	shared      bool // the client is an application's
	asDocument  bool
	pageSize    int           // of listings
	preparing   chan struct{} // holds the token of the call that prepares the collection
	prepared    atomic.Pointer[mongo.Collection]
	expiresSelf atomic.Bool // the server has taken the TTL index for records
	marksExpire atomic.Bool // and that for marks

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
	_ driver.RenameTracker    = (*Store)(nil)
)

// connector returns a collection, and its client if that is for Close to close.
type connector func(context.Context) (*mongo.Collection, *mongo.Client, error)

// New returns a store in a collection of an application's own client, which Close
// leaves open. Whatever that client does elsewhere, the sessions are read from the
// primary and written to the majority. New does no I/O.
func New(collection *mongo.Collection, o Options) *Store {
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
