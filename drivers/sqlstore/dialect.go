package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Dialect describes the SQL of a database and the errors of its SQL driver. [SQLite], [PostgreSQL]
// and [MySQL] are Dialects. One for another database sets all fields that are not optional; run
// package drivertest on a store with it.
type Dialect struct {
	// Quote returns a name as a quoted identifier.
	Quote func(name string) string

	// Placeholder returns the n-th parameter of a statement, counted from 1, such as "$1" or "?".
	// Parameters appear in a statement in the order of their numbers.
	Placeholder func(n int) string

	// Schema returns statements that create the table of sessions and its indexes. A statement for
	// a table or an index that exists has no effect, or fails with an error that Exists knows.
	Schema func(t Table) []string

	// Exists reports whether an error says that a table or an index to create exists, or that
	// another connection is creating it. It is optional.
	Exists func(error) bool

	// DeleteBatch returns a DELETE with three parameters. It deletes rows whose column expires is
	// greater than the first parameter and at most the second, and no more rows than the third.
	// The names of the table and of its key id are quoted.
	DeleteBatch func(table, id string) string

	// Unindexed returns an expression with the value of a column of integers for which the database
	// uses no index. It is for databases whose optimizer otherwise prefers the index of the expiry
	// to the key, and then reads and locks other rows than the one with the key. It is optional.
	Unindexed func(column string) string

	// AreIntegers returns a condition that the columns are not NULL and hold integers. It is for
	// databases whose columns hold values of any type, and optional.
	AreIntegers func(columns ...string) string

	// Now is an expression for the current time of the database's clock, in Unix milliseconds.
	Now string

	// Data returns the argument that a statement binds for the values of a session. It is
	// optional: without it, a statement binds a slice of bytes.
	Data func(data []byte) any

	// IsDuplicate reports whether an error says that a row with the key exists. IsBusy reports
	// whether an error says that other connections keep the transaction from running now, as in a
	// deadlock: the transaction was rolled back, and the store executes it again. IsTooLarge
	// reports whether an error says that a row is larger than its columns or the database allow.
	IsDuplicate, IsBusy, IsTooLarge func(error) bool

	// MaxStatement is a query for the size in bytes of the largest statement that the server
	// accepts, for servers that close the connection of a client that sends a larger one, and may
	// not say why. It is optional.
	MaxStatement string

	// IsLost reports whether an error says that the connection ended before the answer to a
	// statement, which may have been executed. It is optional: the store knows the errors of
	// packages io, net and syscall.
	IsLost func(error) bool

	// Explain returns a description of an error that quotes nothing of the error's text, which
	// may contain keys, data, and the names of constraints; or an empty string for an error that
	// it does not know. It is optional.
	Explain func(error) string

	// Check returns an error if a connection, or the table of sessions, lacks what the statements
	// rely on. The error says what to change. The store calls Check at first use, with a table
	// that exists. It is optional.
	Check func(ctx context.Context, conn *sql.Conn, t Table) error

	// ComparesColumns declares that an UPDATE that sets a column to its old value leaves the
	// indexes of the column as they are. The store then needs one statement to write a session.
	// Otherwise it first tries a statement that sets no column of an index.
	ComparesColumns bool

	// ReturnsUpdated declares that the database has INSERT statements that begin with
	// "WITH name AS (UPDATE ... RETURNING column)". The store then renames a record in one
	// statement instead of a transaction.
	ReturnsUpdated bool

	// DeletesMoved declares that a DELETE also deletes a row that meets its condition when it begins
	// and whose key another connection changes meanwhile. Otherwise the DELETE may miss the row, if it
	// has passed the place of the new key, and DestroySubject reads after it whether sessions are left.
	DeletesMoved bool

	// OneWriter declares that the database has one writer at a time. The writers of a process
	// then queue in the process instead of polling the database.
	OneWriter bool

	// Checkpoint is a statement that moves committed writes from a log into the database without
	// blocking readers and writers. It is optional.
	Checkpoint string
}

// Table has the quoted names for the statements of a schema.
type Table struct {
	Name     string // the table of sessions, after the name of its schema, if Options.Table has one
	ID, Data string // its columns

	// ExpiresIndex is the index on expires, SubjectIndex the one on subject and key.
	ExpiresIndex, SubjectIndex string

	// Schema is the schema's name with a dot behind it, or empty. BareName is Name without it.
	Schema, BareName string

	// JSON is Options.JSON: the column Data holds JSON.
	JSON bool
}

// DDL returns the statements that create the tables of a store, for a tool that migrates schemas or
// for an operator: then the application's user needs no privilege to create tables. Executed a second
// time, the statements change nothing.
func (d Dialect) DDL(o Options) ([]string, error) {
	n, err := o.names()
	if missing := d.missing(); err == nil && missing != "" {
		err = errMissing(missing)
	}
	if err != nil {
		return nil, err
	}
	return (&Store{dialect: d, names: n, json: o.JSON}).creation(), nil
}

// errMissing is the error for a dialect without a required field.
func errMissing(field string) error {
	return fmt.Errorf("sqlstore: the dialect has no %s: use SQLite, PostgreSQL or MySQL, or set every field of Dialect that is not optional", field)
}

// missing returns the name of a required field that is not set, or an empty string.
func (d Dialect) missing() string {
	for _, field := range []struct {
		name    string
		missing bool
	}{
		{"Quote", d.Quote == nil},
		{"Placeholder", d.Placeholder == nil},
		{"Schema", d.Schema == nil},
		{"DeleteBatch", d.DeleteBatch == nil},
		{"Now", d.Now == ""},
		{"IsDuplicate", d.IsDuplicate == nil},
		{"IsBusy", d.IsBusy == nil},
		{"IsTooLarge", d.IsTooLarge == nil},
	} {
		if field.missing {
			return field.name
		}
	}
	return ""
}

// exists reports whether a statement of the schema failed because it had nothing to do.
func (d Dialect) exists(err error) bool {
	return d.IsDuplicate(err) || d.Exists != nil && d.Exists(err)
}

// areIntegers is AreIntegers, or a condition that columns of a database with types are not NULL.
func (d Dialect) areIntegers(columns ...string) string {
	if d.AreIntegers != nil {
		return d.AreIntegers(columns...)
	}
	return each(columns, "%s IS NOT NULL", " AND ")
}

// each formats each column and joins the results.
func each(columns []string, format, separator string) string {
	var parts []string
	for _, column := range columns {
		parts = append(parts, fmt.Sprintf(format, column))
	}
	return strings.Join(parts, separator)
}

// quoteDouble is the Quote of databases that quote identifiers as the SQL standard does.
func quoteDouble(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// insertUnlessDuplicate returns an INSERT that SQLite and PostgreSQL refuse to plan unless the
// column of the key is unique.
func insertUnlessDuplicate(t Table) string {
	return "INSERT INTO " + t.Name + " (" + t.ID + ") SELECT '' WHERE 1 = 0 ON CONFLICT (" + t.ID + ") DO NOTHING"
}
