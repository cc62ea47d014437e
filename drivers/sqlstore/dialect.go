package sqlstore

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Dialect is what differs between databases. There is [SQLite]; that of another
// database fills in the same fields.
type Dialect struct {
	// Quote returns a name such that it is taken for nothing else.
	Quote func(name string) string

	// Placeholder returns the n-th parameter of a statement, from 1.
	Placeholder func(n int) string

	// Schema returns statements that create the table and its indexes, each of
	// them harmless if what it creates is there. All names are quoted.
	Schema func(t Table) []string

	// MarksSchema does that for the table of marks and its index.
	MarksSchema func(t Table) []string

	// IgnoreDuplicate ends an INSERT that has to do nothing, without an error, if
	// there is a row of that key. The name of the column is quoted.
	IgnoreDuplicate func(id string) string

	// UpdateDuplicate ends an INSERT that has to set columns to their new values if
	// there is a row of that key.
	UpdateDuplicate func(id string, columns ...string) string

	// AreIntegers returns a condition that columns hold integers: that they are not
	// NULL, and of that type where a database lets a column hold others.
	AreIntegers func(columns ...string) string

	// DeleteBatch returns a DELETE of as many rows of a table as its second
	// parameter says, of those whose time is at most its first. The names of
	// the table and of its key are quoted; time is the name of a column.
	DeleteBatch func(table, id, time string) string

	// Now is an expression for the present time by the clock of the database, in Unix
	// milliseconds.
	Now string

	// Data returns what is bound for the values of a session.
	Data func(data []byte) any

	// IsDuplicate, IsBusy and IsTooLarge tell errors of the database apart: a
	// row of that key exists; another connection writes, try again; the row is
	// larger than the database can hold.
	IsDuplicate, IsBusy, IsTooLarge func(error) bool

	// OneWriter says that the database has one writer at a time. The writers of
	// a process then queue in the process instead of polling the database.
	OneWriter bool

	// Checkpoint is a statement that moves what is in a log of writes to where it
	// belongs, beside readers and writers. Empty if there is no such log.
	Checkpoint string
}

// Table has the names that a schema is about, quoted.
type Table struct {
	Name, ID, Data string

	// ExpiresIndex and SubjectIndex are the names of the indexes on expires, and
	// on subject and key.
	ExpiresIndex, SubjectIndex string

	// Marks and RenamedIndex are the names of the table of marks and of its index on
	// the time of the rename.
	Marks, RenamedIndex string
}

// SQLite is the dialect of SQLite 3.24 and later, through any SQL driver.
var SQLite = Dialect{
	Quote:           func(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` },
	Placeholder:     func(n int) string { return fmt.Sprintf("?%d", n) },
	Schema:          sqliteSchema,
	MarksSchema:     sqliteMarksSchema,
	IgnoreDuplicate: func(id string) string { return "ON CONFLICT (" + id + ") DO NOTHING" },
	UpdateDuplicate: func(id string, columns ...string) string {
		return "ON CONFLICT (" + id + ") DO UPDATE SET " + each(columns, "%[1]s = excluded.%[1]s", ", ")
	},
	AreIntegers: func(columns ...string) string { return each(columns, "typeof(%s) = 'integer'", " AND ") },
	DeleteBatch: func(table, id, time string) string {
		return fmt.Sprintf("DELETE FROM %[1]s WHERE %[2]s IN (SELECT %[2]s FROM %[1]s WHERE %[3]s <= ?1 LIMIT ?2)", table, id, time)
	},
	Now:         "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
	Data:        sqliteData,
	IsDuplicate: says("UNIQUE constraint failed"),
	IsBusy:      says("database is locked", "database table is locked", "SQLITE_BUSY"),
	IsTooLarge:  says("string or blob too big"),
	OneWriter:   true,
	Checkpoint:  "PRAGMA wal_checkpoint(PASSIVE)",
}

func sqliteSchema(t Table) []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + t.Name + ` (
	` + t.ID + ` TEXT NOT NULL PRIMARY KEY,
	` + t.Data + ` BLOB NOT NULL,
	meta BLOB NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	subject TEXT NOT NULL,
	version INTEGER NOT NULL
)`,
		`CREATE INDEX IF NOT EXISTS ` + t.ExpiresIndex + ` ON ` + t.Name + ` (expires)`,
		`CREATE INDEX IF NOT EXISTS ` + t.SubjectIndex + ` ON ` + t.Name + ` (subject, ` + t.ID + `) WHERE subject <> ''`,
	}
}

func sqliteMarksSchema(t Table) []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + t.Marks + ` (
	id TEXT NOT NULL PRIMARY KEY,
	renamed_to TEXT NOT NULL,
	renamed INTEGER NOT NULL
) WITHOUT ROWID`,
		`CREATE INDEX IF NOT EXISTS ` + t.RenamedIndex + ` ON ` + t.Marks + ` (renamed)`,
	}
}

// each writes format for each of the columns.
func each(columns []string, format, separator string) string {
	var parts []string
	for _, column := range columns {
		parts = append(parts, fmt.Sprintf(format, column))
	}
	return strings.Join(parts, separator)
}

// sqliteData binds what is text as text, for SQLite's JSON functions and its
// shell. SQLite keeps text of any bytes, but other tools stop at a NUL.
func sqliteData(data []byte) any {
	text := string(data)
	if utf8.ValidString(text) && !strings.Contains(text, "\x00") {
		return text
	}
	return data
}

// says returns a function that finds one of the phrases in an error: the types of
// errors are the SQL drivers' own, and this package imports none.
func says(phrases ...string) func(error) bool {
	return func(err error) bool {
		for _, phrase := range phrases {
			if err != nil && strings.Contains(err.Error(), phrase) {
				return true
			}
		}
		return false
	}
}
