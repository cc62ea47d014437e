// Package sqlstore keeps sessions in a table of a SQL database, through any
// *sql.DB that the application has opened:
//
//	sessions, err := session.Config{}.New(sqlstore.New(db, sqlstore.SQLite))
//
// It imports no SQL driver. For a database of its own, named by a DSN, see
// package drivers/sqlite.
//
// The table is created on first use. A record is a row of it:
//
//	id       the record's key, the primary key
//	data     the values; with the JSON codec, a JSON object
//	meta     package session's own
//	created  Unix time in milliseconds, as is expires
//	expires  indexed
//	subject  indexed, empty for anonymous sessions
//	version  counts up from a random number with each write
//
// Two more tables are named after it. The one that ends in "_marks" has a row for each
// record whose key was changed in the last minutes (see [driver.RenameTracker]):
//
//	id          the old key, the primary key
//	renamed_to  the new key
//	renamed     indexed; Unix time in milliseconds
//
// The one that ends in "_schema" has the version of the tables. The first use upgrades
// tables of an earlier release. After that, a process of the earlier release that is
// running goes on but leaves no marks, and one that starts refuses the tables.
package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"

	"gosession.dev/session/driver"
)

// Options name the table and two of its columns. Names are of ASCII letters,
// digits and underscores, do not begin with a digit, and are quoted in all
// statements.
type Options struct {
	// Table is the table's name; the default is "sessions".
	Table string

	// IDColumn is the column of the key; the default is "id".
	IDColumn string

	// DataColumn is the column of the values; the default is "data".
	DataColumn string

	// Exclusive says that the connections of the database are this store's, so
	// that none is long in coming. Statements are then not interrupted when a
	// context ends, which makes SQLite's faster by a third; writes that come
	// at the same time share a transaction; and a goroutine, which Close ends, makes
	// the checkpoints of SQLite's WAL, so that wal_autocheckpoint may be large.
	Exclusive bool
}

// Validate returns an error that says which name can't be used, and why.
func (o Options) Validate() error {
	_, err := o.names()
	return err
}

// names are the names of a table and its columns, valid and with defaults.
type names struct{ table, id, data string }

var (
	validName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,54}$`)
	reserved  = []string{"meta", "created", "expires", "subject", "version"}
)

func (o Options) names() (names, error) {
	n := names{"sessions", "id", "data"}
	for _, option := range []struct {
		option, value string
		name          *string
	}{
		{"table", o.Table, &n.table},
		{"id_column", o.IDColumn, &n.id},
		{"data_column", o.DataColumn, &n.data},
	} {
		if option.value == "" {
			continue
		}
		if !validName.MatchString(option.value) {
			return names{}, fmt.Errorf("sqlstore: the name given as %s must be up to 55 ASCII letters, digits and underscores, and not begin with a digit", option.option)
		}
		*option.name = option.value
	}
	if strings.EqualFold(n.id, n.data) {
		return names{}, errors.New("sqlstore: id_column and data_column are the same")
	}
	for _, taken := range reserved {
		if strings.EqualFold(n.id, taken) || strings.EqualFold(n.data, taken) {
			return names{}, fmt.Errorf("sqlstore: the table has a column %q already; give id_column and data_column other names", taken)
		}
	}
	return n, nil
}

// Store is a [driver.Store] in a table, with the optional interfaces of package driver but
// for ClientSide and Lossy. Its methods are safe for concurrent use.
type Store struct {
	db      *sql.DB
	dialect Dialect
	names   names
	invalid error // of the options, returned by every call

	exclusive bool
	writer    chan struct{} // holds the token of the one writer, if the dialect wants one
	writes    writes
	crowded   atomic.Bool // the last transaction had several writes

	checkpoints checkpointer  // if the database is exclusive, and has a log of writes
	preparing   chan struct{} // holds the token of the call that prepares the table
	table       atomic.Pointer[statements]
	closed      atomic.Bool
}

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
	_ driver.RenameTracker    = (*Store)(nil)
)

// New returns a store in a table of db, which stays the application's: Close does
// not close it. At most one Options is used; a name in it that is not valid is
// reported by every call of the store, the first Ping among them.
func New(db *sql.DB, d Dialect, options ...Options) *Store {
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	n, err := o.names()
	s := &Store{
		db:        db,
		dialect:   d,
		names:     n,
		invalid:   err,
		exclusive: o.Exclusive,
		writer:    make(chan struct{}, 1),
		preparing: make(chan struct{}, 1),
	}
	if s.exclusive && d.Checkpoint != "" {
		s.startCheckpoints()
	}
	return s
}

// Close releases what the store has prepared. It does not close the database.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.stopCheckpoints()
	if st := s.table.Load(); st != nil {
		return st.close()
	}
	return nil
}
