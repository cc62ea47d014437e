package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// SQLite is the dialect of SQLite 3.24 and later, with any SQL driver.
var SQLite = Dialect{
	Quote:       quoteDouble,
	Placeholder: func(n int) string { return fmt.Sprintf("?%d", n) },
	Schema:      sqliteSchema,
	AreIntegers: func(columns ...string) string { return each(columns, "typeof(%s) = 'integer'", " AND ") },
	DeleteBatch: func(table, id string) string {
		return fmt.Sprintf("DELETE FROM %[1]s WHERE %[2]s IN (SELECT %[2]s FROM %[1]s WHERE expires > ?1 AND expires <= ?2 LIMIT ?3)", table, id)
	},
	Now:         "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
	Data:        sqliteData,
	IsDuplicate: contains("UNIQUE constraint failed"),
	IsBusy:      contains("database is locked", "database table is locked", "SQLITE_BUSY"),
	IsTooLarge:  contains("string or blob too big"),
	Explain:     explainSQLite,
	Check: func(ctx context.Context, conn *sql.Conn, t Table) error {
		stmt, err := conn.PrepareContext(ctx, insertUnlessDuplicate(t)) // fails unless the key is unique
		if err != nil {
			return err
		}
		return stmt.Close()
	},
	DeletesMoved: true,
	OneWriter:    true,
	Checkpoint:   "PRAGMA wal_checkpoint(PASSIVE)",
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
		`CREATE INDEX IF NOT EXISTS ` + t.Schema + t.ExpiresIndex + ` ON ` + t.BareName + ` (expires)`,
		`CREATE INDEX IF NOT EXISTS ` + t.Schema + t.SubjectIndex + ` ON ` + t.BareName + ` (subject, ` + t.ID + `) WHERE subject <> ''`,
	}
}

// sqliteData returns valid UTF-8 without NUL bytes as a string, for SQLite's JSON functions and its
// shell, and other data unchanged.
func sqliteData(data []byte) any {
	text := string(data)
	if utf8.ValidString(text) && !strings.Contains(text, "\x00") {
		return text
	}
	return data
}

// contains returns a function that reports whether the text of an error contains one of the
// phrases. The errors of SQL drivers have no common type.
func contains(phrases ...string) func(error) bool {
	return func(err error) bool {
		for _, phrase := range phrases {
			if err != nil && strings.Contains(err.Error(), phrase) {
				return true
			}
		}
		return false
	}
}

// sqliteTexts are parts of SQLite's messages that quote no data and no names. A text stands before
// the shorter texts that it contains.
var sqliteTexts = []string{
	"UNIQUE constraint failed", "NOT NULL constraint failed", "CHECK constraint failed", "FOREIGN KEY constraint failed",
	"ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint",
	"attempt to write a readonly database", "unable to open database file", "file is not a database",
	"database disk image is malformed", "database or disk is full", "database is locked", "database table is locked",
	"database schema has changed", "disk I/O error", "string or blob too big", "datatype mismatch", "locking protocol",
	"out of memory", "interrupted", "constraint failed", "no such table",
}

// sqliteColumn matches SQLite's message about a missing column.
var sqliteColumn = regexp.MustCompile(`(?:no such column: |has no column named )(\w+)`)

// explainSQLite is the Explain of SQLite. It names a column only if this package has chosen the name.
func explainSQLite(err error) string {
	text := err.Error()
	if column := sqliteColumn.FindStringSubmatch(text); column != nil {
		if slices.Contains(append(reserved, "id", "data"), column[1]) {
			return "sqlite: the table has no column " + column[1]
		}
		return "sqlite: the table lacks a column"
	}
	for _, known := range sqliteTexts {
		if strings.Contains(text, known) {
			return "sqlite: " + known
		}
	}
	return ""
}
