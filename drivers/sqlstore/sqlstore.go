// Package sqlstore keeps sessions in a table of a SQL database that the application has opened,
// through any *sql.DB. It imports no SQL driver. To give sessions a SQLite file of their own,
// named by a DSN, use package drivers/sqlite.
//
//	package main
//
//	import (
//		"database/sql"
//		"log"
//		"net/http"
//
//		_ "github.com/mattn/go-sqlite3"
//		"gosession.dev/session"
//		"gosession.dev/session/drivers/sqlstore"
//	)
//
//	func main() {
//		db, err := sql.Open("sqlite3", "file:app.db?_journal_mode=WAL&_busy_timeout=20&_txlock=immediate")
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer db.Close()
//		sessions, err := session.Config{}.New(sqlstore.New(db, sqlstore.SQLite))
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer sessions.Close()
//		log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
//	}
//
// The package has no DSN: [Options] name the table and its columns. [SQLite], [PostgreSQL] and
// [MySQL] are dialects; [Dialect] describes other databases. Packages drivers/sqlite,
// drivers/postgres and drivers/mysql use this package on databases that a DSN names.
//
// # The tables
//
// The first use creates the tables. Each session is a row of the first one:
//
//	id       the record's key, the primary key
//	data     the values; with the JSON codec, a JSON object
//	meta     package session's metadata
//	created  Unix time in milliseconds
//	expires  Unix time in milliseconds, indexed
//	subject  indexed; empty for anonymous sessions
//	version  a random number, another one after each write
//
// A record that is renamed leaves a row under its old key for 10 minutes (see
// [driver.RenameTracker]): its expires is the negative time of the renaming, and its meta is the new
// key. So a query for live sessions has the condition expires > 0, or a later time.
//
// Another table, whose name ends in "_schema", has the version of the tables.
//
// To create the tables by other means, execute the statements that [Dialect.DDL] returns. The columns
// may have other types, as long as they hold what the store writes, and the table may have more
// columns, as long as they have defaults. Ping writes, changes, renames, reads and deletes a record,
// and says what is wrong with a table: call it at start.
//
// # Lost connections
//
// If a connection ends before the answer to a write, the store writes again, and recognizes by the
// version that the first attempt was executed. Only Destroy returns an error then, if it finds
// nothing: it can't tell whether its first attempt or another call destroyed the session. The store
// also executes a transaction again that the database has rolled back because of a deadlock or a
// serialization failure, until the context ends.
//
// # Writers in SQLite
//
// SQLite has one writer at a time. A writer waits for another one until the busy timeout of its
// connection ends, 5 seconds by default in go-sqlite3, and a context does not end this wait: a
// Config.StoreTimeout of 500 milliseconds does not shorten it. So open the database as above: with a
// short busy timeout, after which the store tries again until the context ends, and in WAL mode,
// in which readers do not wait for the writer.
//
// An open transaction of a handler that has written keeps the store from writing. If the handler
// flushes its session before it ends the transaction, it waits for itself until StoreTimeout is
// over. Commit first, then flush the session. With SetMaxOpenConns(1), a handler with an open
// transaction can't read its session either.
//
// # What the backend can't do
//
// The store has all optional interfaces of package driver but ClientSide and Lossy. It uses the
// database's own guarantees: what a crash of the database loses, the store loses.
//
// Errors say what failed and quote nothing of the database's messages, which may contain keys,
// data, and names. [Dialect].Explain adds a safe description.
package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"

	"gosession.dev/session/driver"
)

// Options name the table and two of its columns. A name consists of up to 55 ASCII letters, digits
// and underscores, and does not begin with a digit; statements quote it, so upper and lower case
// differ where the database distinguishes them. The table's name must not end in _schema,
// _expires or _subject, which are the suffixes of the other table and of the indexes, nor begin with
// sqlite_, which SQLite reserves.
type Options struct {
	// Table is the name of the table; the default is "sessions". The name of a schema and a dot
	// may precede it, as in "web.sessions": the schema must exist.
	Table string

	// IDColumn is the name of the key's column; the default is "id".
	IDColumn string

	// DataColumn is the name of the values' column; the default is "data".
	DataColumn string

	// JSON declares that the values' column has a type for JSON or text, instead of bytes. The
	// column then holds the values as a JSON object if they are one (Config.Codecs, no
	// Config.Secrets), and all other data as a JSON string in Base64. The database may change the
	// order of members and the form of numbers; the store returns objects without white space. A
	// table that the store creates gets such a column: jsonb in PostgreSQL, LONGTEXT in MySQL.
	JSON bool

	// Unprepared declares that the store must send each statement as text instead of preparing
	// it, for poolers of connections that do not keep prepared statements, such as PgBouncer in
	// transaction mode. The SQL driver must then not prepare statements either. It is also for SQL
	// drivers that prepare statements by themselves and keep them, as pgx does: preparing them
	// twice helps nothing.
	Unprepared bool

	// Exclusive declares that only this store uses the *sql.DB, and that its connections have a
	// short busy timeout. In a database with one writer at a time, such as SQLite, the store then
	// does not interrupt statements when a context ends, which makes them a third faster;
	// concurrent writes share a transaction; and a goroutine, which Close stops, runs the
	// checkpoints of SQLite's WAL, so that wal_autocheckpoint may be large.
	Exclusive bool

	// CallContexts declares that only this store uses the *sql.DB, that its connections take the
	// context of each call from [CallContext], and that SetMaxOpenConns was called. The store then
	// saves a goroutine for each query. It takes over the limit of SetMaxOpenConns, and removes it
	// from the *sql.DB: connections that are being closed no longer count. The caller closes the
	// *sql.DB after the store, whose Close waits for no call. CallContexts is for SQL drivers whose
	// connector is the caller's.
	CallContexts bool
}

// Validate returns an error that says which name is invalid, and why; nil if all are valid.
func (o Options) Validate() error {
	_, err := o.names()
	return err
}

// names are valid names, with the defaults filled in.
type names struct{ schema, table, id, data string }

var (
	validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,54}$`)
	reserved  = []string{"meta", "created", "expires", "subject", "version"}

	// suffixes are appended to a table's name to name the other table and the indexes.
	suffixes = []string{"_schema", "_expires", "_subject"}
)

func (o Options) names() (names, error) {
	n := names{table: "sessions", id: "id", data: "data"}
	table := o.Table
	if schema, name, found := strings.Cut(table, "."); found {
		if !validName.MatchString(schema) || name == "" {
			return names{}, errors.New("sqlstore: the name given as table is invalid; it must be a name, or the name of a schema, a dot and a name")
		}
		n.schema, table = schema, name
	}
	for _, option := range []struct {
		option, value string
		name          *string
	}{
		{"table", table, &n.table},
		{"id_column", o.IDColumn, &n.id},
		{"data_column", o.DataColumn, &n.data},
	} {
		if option.value == "" {
			continue
		}
		if !validName.MatchString(option.value) {
			return names{}, fmt.Errorf("sqlstore: the name given as %s is invalid; it must be up to 55 ASCII letters, digits and underscores, and not begin with a digit", option.option)
		}
		*option.name = option.value
	}
	for _, suffix := range suffixes {
		if strings.HasSuffix(strings.ToLower(n.table), suffix) {
			return names{}, fmt.Errorf("sqlstore: the name given as table ends in %s, which is reserved for the tables and indexes beside a table; choose another", suffix)
		}
	}
	if strings.HasPrefix(strings.ToLower(n.table), "sqlite_") {
		return names{}, errors.New("sqlstore: the name given as table begins with sqlite_, which SQLite reserves; choose another")
	}
	if strings.EqualFold(n.id, n.data) {
		return names{}, errors.New("sqlstore: id_column and data_column are the same; give them different names")
	}
	for _, taken := range reserved {
		if strings.EqualFold(n.id, taken) || strings.EqualFold(n.data, taken) {
			return names{}, fmt.Errorf("sqlstore: the table has a column %q already; choose another name for id_column or data_column", taken)
		}
	}
	return n, nil
}

// Store is a [driver.Store] in a table. It has all optional interfaces of package driver but
// ClientSide and Lossy. Make it by [New]. Its methods are safe for concurrent use.
type Store struct {
	db      *sql.DB
	dialect Dialect
	names   names
	invalid error // what is wrong with New's arguments; every call returns it

	json, unprepared bool // as in Options

	exclusive bool
	writer    chan struct{} // a token that a writer holds, if the dialect has OneWriter
	writes    writes
	crowded   atomic.Bool // whether the last transaction had several writes

	checkpoints  checkpointer  // runs if the store is exclusive and the dialect has a Checkpoint
	connections  chan struct{} // a token for each call that uses a connection; nil without Options.CallContexts
	preparing    chan struct{} // a token that the call holds that prepares the table
	table        atomic.Pointer[statements]
	maxStatement atomic.Int64 // the last answer to the dialect's MaxStatement, or 0
	closed       atomic.Bool
}

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
	_ driver.RenameTracker    = (*Store)(nil)
)

// Format writes the name of the type for every verb, so that printing a Store shows no data.
func (*Store) Format(f fmt.State, _ rune) { io.WriteString(f, "sqlstore.Store") }

// New returns a store in a table of db. It does not connect. Closing the store does not close db.
// New uses the first of options, if any. If the arguments are invalid (db is nil, the dialect
// lacks a field, or a name is invalid), every call of the store returns an error that says so,
// so call Ping at start.
func New(db *sql.DB, d Dialect, options ...Options) *Store {
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	n, err := o.names()
	if db == nil {
		err = errors.New("sqlstore: New was given no database: the *sql.DB is nil; check the error of sql.Open")
	} else if missing := d.missing(); missing != "" {
		err = errMissing(missing)
	}
	s := &Store{
		db:         db,
		dialect:    d,
		names:      n,
		invalid:    err,
		json:       o.JSON,
		unprepared: o.Unprepared,
		exclusive:  o.Exclusive,
		writer:     make(chan struct{}, 1),
		preparing:  make(chan struct{}, 1),
	}
	if o.CallContexts && s.invalid == nil {
		s.connections = make(chan struct{}, max(1, db.Stats().MaxOpenConnections))
		db.SetMaxOpenConns(0) // database/sql would wait longer than a context that it does not see end
	}
	if s.exclusive && d.Checkpoint != "" && s.invalid == nil {
		s.startCheckpoints()
	}
	return s
}

// Close releases the prepared statements. It does not close the database. It waits for calls in
// progress, unless the store has Options.CallContexts.
func (s *Store) Close() error {
	if s == nil || s.closed.Swap(true) {
		return nil
	}
	s.stopCheckpoints()
	if s.connections != nil { // closing the database closes the statements, and waits for no call
		return nil
	}
	if st := s.table.Load(); st != nil {
		return s.withhold(st.close())
	}
	return nil
}
