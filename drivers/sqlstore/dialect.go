package sqlstore

import (
	"fmt"
	"strings"
)

// Dialect describes the SQL of a database and the errors of its SQL driver. [SQLite] is a Dialect.
// One for another database sets all fields that are not optional; run package drivertest on a store
// with it.
type Dialect struct {
	// Quote returns a name as a quoted identifier.
	Quote func(name string) string

	// Placeholder returns the n-th parameter of a statement, counted from 1, such as "$1" or "?".
	// Parameters appear in a statement in the order of their numbers.
	Placeholder func(n int) string

	// Schema returns statements that create the table of sessions and its indexes. Each statement
	// has no effect if its table or index exists. The names in t are quoted.
	Schema func(t Table) []string

	// MarksSchema does the same for the table of marks and its index.
	MarksSchema func(t Table) []string

	// IgnoreDuplicate returns the end of an INSERT that must do nothing, without an error, if a
	// row with its key exists. The name of the column is quoted.
	IgnoreDuplicate func(id string) string

	// UpdateDuplicate returns the end of an INSERT that must set columns to its values if a row
	// with its key exists.
	UpdateDuplicate func(id string, columns ...string) string

	// AreIntegers returns a condition that the columns are not NULL and, in a database whose
	// columns can hold values of any type, that they hold integers.
	AreIntegers func(columns ...string) string

	// DeleteBatch returns a DELETE with two parameters. It deletes rows whose column time is at
	// most the first parameter, and no more rows than the second. The names of the table and of
	// its key id are quoted.
	DeleteBatch func(table, id, time string) string

	// Now is an expression for the current time of the database's clock, in Unix milliseconds.
	Now string

	// Data returns the argument that a statement binds for the values of a session.
	Data func(data []byte) any

	// IsDuplicate reports whether an error says that a row with the key exists; IsBusy, that
	// another connection keeps the statement from running now, so that the store tries again;
	// IsTooLarge, that a row is larger than the database can hold.
	IsDuplicate, IsBusy, IsTooLarge func(error) bool

	// Explain returns a description of an error that quotes nothing of the error's text, which
	// may contain keys, data, and the names of constraints; or an empty string for an error that
	// it does not know. It is optional.
	Explain func(error) string

	// OneWriter declares that the database has one writer at a time. The writers of a process
	// then queue in the process instead of polling the database.
	OneWriter bool

	// Checkpoint is a statement that moves committed writes from a log into the database without
	// blocking readers and writers. It is optional.
	Checkpoint string
}

// Table has the quoted names for the statements of a schema.
type Table struct {
	Name, ID, Data string

	// ExpiresIndex is the index on expires, SubjectIndex the one on subject and key.
	ExpiresIndex, SubjectIndex string

	// Marks is the table of marks, RenamedIndex its index on renamed.
	Marks, RenamedIndex string
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
		{"MarksSchema", d.MarksSchema == nil},
		{"IgnoreDuplicate", d.IgnoreDuplicate == nil},
		{"UpdateDuplicate", d.UpdateDuplicate == nil},
		{"AreIntegers", d.AreIntegers == nil},
		{"DeleteBatch", d.DeleteBatch == nil},
		{"Now", d.Now == ""},
		{"Data", d.Data == nil},
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

// each formats each column and joins the results.
func each(columns []string, format, separator string) string {
	var parts []string
	for _, column := range columns {
		parts = append(parts, fmt.Sprintf(format, column))
	}
	return strings.Join(parts, separator)
}
