// Package mongo keeps sessions in a collection of MongoDB, so that any number of web servers
// share them. It uses the client go.mongodb.org/mongo-driver/v2.
//
// Importing the package registers the driver "mongo":
//
//	import (
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/mongo"
//	)
//
//	sessions, err := session.Open("mongo", "mongodb://user:password@host1,host2/shop?replicaSet=rs0")
//
// An application that has a client already passes a collection to [New]. The store creates the
// indexes of the collection on first use.
//
// # DSN
//
// A DSN is a MongoDB connection string, which begins with mongodb:// or mongodb+srv:// and has
// the database in its path. Besides the parameters of connection strings there are two more:
//
//	parameter   default   meaning
//	collection  sessions  name of the collection
//	data        binary    binary or document: how the values are stored, see below
//
// Some parameters of connection strings have a different effect here:
//
//	w                 ignored: writes wait for the majority of the servers. w=0 is an error
//	journal           journal=true is kept, journal=false is ignored
//	readPreference    ignored: reads go to the primary
//	readConcernLevel  as in MongoDB; see below for linearizable
//
// # Limits
//
// The store needs MongoDB 4.4, the oldest version that the client supports, or later. It implements
// all optional interfaces of package driver except [driver.ClientSide] and [driver.Lossy].
//
// An acknowledged write survives whatever the majority of the servers survives, so the store is
// not a [driver.Lossy] one. A primary that is cut off from the majority answers reads for some
// more seconds, until it notices. With readConcernLevel=linearizable it does not, and each read
// waits for the majority.
//
// The document of a record has at most 16 MiB; a larger one is [driver.ErrTooLarge].
//
// The clocks of the web servers decide what has expired. An expired record or mark is never
// returned, whether or not the server has removed it. The age of a mark is the difference between
// the clocks of two web servers: if a clock is off by more than 15 seconds, that web server may
// treat a request that an ID change overtakes as one for an unknown ID.
//
// The store recognizes a document that was edited by other means as corrupt only if the type of
// one of its fields is wrong. Only Retrieve parses data, and returns [driver.ErrCorrupt] for what
// is not JSON.
//
// # Data as a document
//
// With data=document the values can be queried, as in {"data.cart.items": 3}, if the session uses
// the JSON codec and is not sealed. The store returns the values as they were stored, byte for
// byte. In names a dot is written %2E, a leading dollar %24, a percent sign %25, NUL %00, and an
// empty name %. Values that no document can hold, such as a number beyond 64 bits, are stored as
// binary. A collection may hold both forms. An application that changes a document by other means
// has to change its version too.
//
// # Failures
//
// If the server has closed the connection, a write is retried once. If the outcome is still not
// known, the write fails. Errors quote neither the DSN, nor what was sent, nor what a server
// answered: they explain the server's error codes in words of this package.
//
// # Documents and indexes
//
// A record is one document:
//
//	_id      an ObjectID, which never changes
//	key      the record's key, under a unique index
//	data     the values, as binary or as a document
//	meta     package session's metadata, binary
//	created  a date
//	expires  a date, under a TTL index: the server removes expired records
//	subject  under an index together with key; "" for anonymous sessions
//	version  a 64-bit number, random with each write
//	was      {key, at}: the former key and the time of the ID change, or the record's
//	         own key if it was never renamed; was.key is under a unique index
//
// The key is not the _id, because an _id cannot change. So ChangeID is one update of one document,
// and a session is never stored twice or missing. The price is the indexes under key and was.key,
// and a second look-up behind the index in each read.
//
// The field was is the mark of an ID change that [driver.RenameTracker] describes. The update that
// renames the record sets it, and its index refuses a Create under the old key. If the record is
// renamed again within ten minutes, ChangeID first inserts the previous mark as a document of its
// own, so that a process that dies between the steps loses no mark:
//
//	key  the old key, in the same index as the keys of records
//	to   the key that followed
//	at   a date, under a TTL index: the server removes marks after 11 minutes
//
// A mark in was disappears with its record; then the old key can be used again.
//
// No index refuses a ChangeID onto the old key of another record. ChangeID reads whether there is
// one before it updates, and can miss a record that is created under that key and renamed between
// these two steps. Package session changes to new random keys only.
//
// An existing index on the same fields is used, whatever its name, if it has the properties that
// the store needs. If it does not, every call fails with an error that says which index to drop.
// On servers without TTL indexes the store creates plain ones. If the index on expires is a plain
// one, or one that removes records later, DeleteExpired deletes them in batches of 1,000.
//
// # Performance
//
// Round trips: Retrieve, Flush, Touch, Create, Destroy and Renamed take 1 each, Ping 3. ChangeID
// takes 2: it reads what is stored about the two keys, and updates the record. The second ChangeID
// of a record within ten minutes takes 3, because it inserts a mark. A Flush or Touch that finds
// the record changed or gone takes 1 more; a ChangeID that finds it so takes 2 in all.
//
// Measured on two cores with FerretDB 1.24 on the same machine, for lack of a MongoDB: Retrieve
// takes 1.0 times as long as the client's FindOne, Retrieve and Flush 1.03 times as long as its
// FindOne and UpdateOne (go test -bench Overhead). FerretDB reads the whole collection for every
// command, so these figures say nothing about large collections, nor about ChangeID, which looks
// for a key that is absent. Listing 100,000 sessions took 16 MiB of heap.
package mongo
