// Package sqlite keeps sessions in a SQLite file, through package sqlstore and
// github.com/mattn/go-sqlite3, which needs a C compiler. Any number of processes
// of one machine may use a file at the same time.
//
// Importing the package registers the driver "sqlite". Its DSN is a file name or
// a file: URI, with parameters behind a question mark:
//
//	sessions.db
//	file:/var/lib/app/sessions.db?_synchronous=FULL&table=web_sessions
//
// The parameters of this package are
//
//	table        the table's name; the default is sessions
//	id_column    the column of the key; the default is id
//	data_column  the column of the values; the default is data
//
// All others are those of go-sqlite3 (they begin with an underscore) and of
// SQLite's URIs (mode, cache, vfs, ...); unknown ones are errors. These are set
// unless the DSN says otherwise:
//
//	_journal_mode=WAL    readers and the writer do not wait for each other
//	_synchronous=NORMAL  what was stored survives the end of a process, killed or
//	                     not; after a power cut the last writes may be missing,
//	                     and nothing else. FULL keeps them, and costs a
//	                     write to the disk for each
//	_busy_timeout=20     milliseconds for which SQLite itself waits for a writer
//	                     of another process, without regard to a context; this
//	                     package then tries again, until the context is done
//	_txlock=immediate    transactions do not deadlock with each other
//	_secure_delete=on    the data of ended sessions is overwritten
//
// Writes of a process that come at the same time share a transaction. What they wrote
// is moved from the WAL into the file beside them; the file of the WAL may grow to
// 40 MB meanwhile.
//
// A file that is created, and those that SQLite puts beside it, can be read by
// their owner only (mode 0600). The directory must exist.
//
// With ":memory:" or mode=memory, each store is alone, and its sessions end with
// it; package drivers/memory is better at that.
package sqlite

import (
	"database/sql"
	"errors"
	"runtime"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
)

func init() { session.Register("sqlite", Driver{}) }

// Driver opens stores in SQLite files by DSN; see the comment of the package.
type Driver struct{}

// Open returns a store for dsn. It does not touch the file: the first use does.
// All methods of the store are safe for concurrent use.
func (Driver) Open(dsn string) (driver.Store, error) {
	d, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector{d})
	conns := max(16, 2*runtime.GOMAXPROCS(0))
	if d.inMemory {
		conns = 1 // each connection would be a database of its own
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return &store{sqlstore.New(db, sqlstore.SQLite, d.options), db}, nil
}

// store is a sqlstore with a database of its own.
type store struct {
	*sqlstore.Store
	db *sql.DB
}

var (
	_ driver.Store            = (*store)(nil)
	_ driver.Toucher          = (*store)(nil)
	_ driver.Pinger           = (*store)(nil)
	_ driver.SubjectLister    = (*store)(nil)
	_ driver.SubjectDestroyer = (*store)(nil)
	_ driver.RenameTracker    = (*store)(nil)
)

func (s *store) Close() error { return errors.Join(s.Store.Close(), s.db.Close()) }
