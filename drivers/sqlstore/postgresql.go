package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
)

// PostgreSQL is the dialect of PostgreSQL 9.5 and later, with package stdlib of pgx or with lib/pq.
var PostgreSQL = Dialect{
	Quote:       quoteDouble,
	Placeholder: func(n int) string { return "$" + strconv.Itoa(n) },
	Schema:      postgresSchema,
	Exists:      hasState("42P07", "42710", "42P06", "XX000"), // table, object or schema exists; "tuple concurrently updated"
	DeleteBatch: func(table, _ string) string {
		// Rows in two partitions of a table may have one ctid, so both conditions need the expiry.
		return `DELETE FROM ` + table + ` WHERE expires > $1 AND expires <= $2 AND ctid = ANY (ARRAY(
			SELECT ctid FROM ` + table + ` WHERE expires > $1 AND expires <= $2 LIMIT $3 FOR UPDATE SKIP LOCKED))`
	},
	Now:         "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
	IsDuplicate: hasState("23505"),                   // unique_violation
	IsBusy:      hasState("40001", "40P01", "55P03"), // serialization_failure, deadlock_detected, lock_not_available
	IsTooLarge:  hasState("54000", "22001"),          // program_limit_exceeded, string_data_right_truncation
	IsLost:      hasState("57P01", "57P02", "08000", "08003", "08006", "08007"),
	Explain:     explainPostgres,
	Check: func(ctx context.Context, conn *sql.Conn, t Table) error {
		_, err := conn.ExecContext(ctx, "EXPLAIN "+insertUnlessDuplicate(t)) // executes nothing
		if stateOf(err) == insufficientPrivilege {
			return nil // a user who may not write may read
		}
		return err
	},
	ComparesColumns: true,
	ReturnsUpdated:  true,
	DeletesMoved:    true,
}

const insufficientPrivilege = "42501"

// postgresSchema sets two storage parameters. With fillfactor, a page keeps room for new versions of
// its rows, so that an update need not touch the indexes. With autovacuum_vacuum_scale_factor, the
// room of sessions that have ended is used again before the table has grown much.
func postgresSchema(t Table) []string {
	data := "bytea"
	if t.JSON {
		data = "jsonb"
	}
	const with = ` WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)`
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + t.Name + ` (
	` + t.ID + ` text COLLATE "C" NOT NULL PRIMARY KEY,
	` + t.Data + ` ` + data + ` NOT NULL,
	meta bytea NOT NULL,
	created bigint NOT NULL,
	expires bigint NOT NULL,
	subject text COLLATE "C" NOT NULL,
	version bigint NOT NULL
)` + with,
		`CREATE INDEX IF NOT EXISTS ` + t.ExpiresIndex + ` ON ` + t.Name + ` (expires)`,
		`CREATE INDEX IF NOT EXISTS ` + t.SubjectIndex + ` ON ` + t.Name + ` (subject, ` + t.ID + `) WHERE subject <> ''`,
	}
}

// stateOf returns the SQLSTATE of an error, or an empty string.
func stateOf(err error) string {
	var failed interface{ SQLState() string }
	if errors.As(err, &failed) {
		return failed.SQLState()
	}
	return ""
}

// hasState returns a function that reports whether an error has one of the SQLSTATEs.
func hasState(states ...string) func(error) bool {
	return func(err error) bool { return slices.Contains(states, stateOf(err)) }
}

// postgresStates are descriptions of SQLSTATEs that operators can do something about.
var postgresStates = map[string]string{
	"0A000":               "a prepared statement is no longer valid, because the table was changed; restart the application",
	"22003":               "a column is too small for a number",
	"22P05":               "the column can't hold a character",
	"23502":               "a column that the store does not set must not be NULL",
	"23514":               "a CHECK constraint refuses the record",
	"25006":               "the server or the connection is read-only; connect to the primary server",
	"26000":               "the server does not know a prepared statement; if a pooler such as PgBouncer shares connections, do not prepare statements",
	"28000":               "the server refuses the user",
	"28P01":               "the password is wrong",
	"3D000":               "the database does not exist",
	"3F000":               "the schema does not exist; create it, or name another",
	insufficientPrivilege: "the user lacks a privilege: SELECT, INSERT, UPDATE and DELETE on the tables, or, to create them, USAGE and CREATE on the schema",
	"42703":               "the table lacks a column",
	"42804":               "a column has the wrong type",
	"42809":               "the name of the table, or of an index beside it, belongs to a view or another object; name a table",
	"42883":               "a column has the wrong type",
	"42P10":               "the column of the key is not unique; make it the primary key",
	"42P01":               "the table does not exist",
	"42P05":               "the server knows a prepared statement already; if a pooler such as PgBouncer shares connections, do not prepare statements",
	"53100":               "the disk of the server is full",
	"53200":               "the server is out of memory",
	"53300":               "the server has too many connections",
	"57014":               "the server has cancelled the statement",
	"57P01":               "the server is shutting down",
	"57P02":               "the server has crashed",
	"57P03":               "the server is starting up",
}

// explainPostgres is the Explain of PostgreSQL.
func explainPostgres(err error) string {
	state := stateOf(err)
	switch text := postgresStates[state]; {
	case state == "":
		return ""
	case text != "":
		return "postgres: " + text + " (SQLSTATE " + state + ")"
	}
	return "postgres: SQLSTATE " + state
}
