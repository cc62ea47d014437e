//go:build cgo

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/canary"
)

// requireQuiet fails if err, or an error in its chain, contains the word canary.
func requireQuiet(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.Empty(t, canary.Shown(err, "canary"))
}

// Errors of calls quote neither names of the database nor the messages of its triggers.
func TestErrorsQuoteNothing(t *testing.T) {
	for name, ddl := range map[string]string{
		"trigger":          `CREATE TRIGGER canary_t BEFORE %s BEGIN SELECT RAISE(ABORT, 'canary'); END`,
		"like duplicate":   `CREATE TRIGGER canary_t BEFORE %s BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: canary'); END`,
		"like a column":    `CREATE TRIGGER canary_t BEFORE %s BEGIN SELECT RAISE(ABORT, 'no such column: canary'); END`,
		"like our column":  `CREATE TRIGGER canary_t BEFORE %s BEGIN SELECT RAISE(ABORT, 'no such column: data canary'); END`,
		"like too large":   `CREATE TRIGGER canary_t BEFORE %s BEGIN SELECT RAISE(ABORT, 'string or blob too big: canary'); END`,
		"no table":         `CREATE TRIGGER canary_t BEFORE %s BEGIN INSERT INTO canary VALUES (1); END`,
		"check":            `CREATE TRIGGER canary_t BEFORE %s BEGIN INSERT INTO canary_check VALUES (1); END`,
		"not null":         `CREATE TRIGGER canary_t BEFORE %s BEGIN INSERT INTO canary_null VALUES (NULL); END`,
		"unique":           `CREATE TRIGGER canary_t BEFORE %s BEGIN INSERT INTO canary_unique VALUES (1); END`,
		"lacking function": `CREATE TRIGGER canary_t BEFORE %s BEGIN SELECT canary_function(); END`,
	} {
		for _, o := range []Options{{}, {Exclusive: true}, {Table: "canary_sessions", IDColumn: "canary_id", DataColumn: "canary_data"}} {
			t.Run(name, func(t *testing.T) {
				ctx := shortly(t)
				db := database(t)
				s := New(db, SQLite, o)
				r, other := record("canary", time.Hour), record("other", time.Hour)
				require.NoError(t, s.Create(ctx, r))
				_, err := db.Exec(`CREATE TABLE canary_check (a CONSTRAINT canary_c CHECK (a > 1)); CREATE TABLE canary_null (a NOT NULL);
					CREATE TABLE canary_unique (a UNIQUE); INSERT INTO canary_unique VALUES (1)`)
				require.NoError(t, err)
				for i, event := range []string{"INSERT", "UPDATE", "DELETE"} {
					_, err := db.Exec(strings.ReplaceAll(fmt.Sprintf(ddl, event+` ON `+s.names.table), "canary_t", fmt.Sprint("canary_t", i)))
					require.NoError(t, err)
				}
				requireQuiet(t, s.Create(ctx, other))
				requireQuiet(t, s.Flush(ctx, r))
				requireQuiet(t, rename(ctx, s, r, "new"))
				requireQuiet(t, s.Touch(ctx, r.Key, r.Expires.Add(time.Hour)))
				requireQuiet(t, s.Destroy(ctx, r.Key))
				requireQuiet(t, s.Ping(ctx))
				require.NoError(t, ctx.Err())
			})
		}
	}
}

// Errors about a table that can't be used quote no names.
func TestErrorsOfFirstUseQuoteNothing(t *testing.T) {
	for name, ddl := range map[string]string{
		"no column":      `CREATE TABLE canary (canary_id TEXT PRIMARY KEY)`,
		"no data column": `CREATE TABLE canary (canary_id TEXT PRIMARY KEY, meta, created, expires, subject, version)`,
		"no unique key":  `CREATE TABLE canary (canary_id TEXT, canary_data, meta, created, expires, subject, version)`,
		"later schema":   `CREATE TABLE canary_schema (version); INSERT INTO canary_schema VALUES (3)`,
		"unknown schema": `CREATE TABLE canary_schema (version); INSERT INTO canary_schema VALUES ('canary')`,
		"view":           `CREATE VIEW canary AS SELECT 1 AS canary_id`,
	} {
		t.Run(name, func(t *testing.T) {
			db := database(t)
			_, err := db.Exec(ddl)
			require.NoError(t, err)
			s := New(db, SQLite, Options{Table: "canary", IDColumn: "canary_id", DataColumn: "canary_data"})
			requireQuiet(t, s.Ping(t.Context()))
			_, err = s.Retrieve(t.Context(), "k")
			requireQuiet(t, err)
		})
	}
}

// uncomparable is an error for which == panics.
type uncomparable struct{ text []string }

func (e uncomparable) Error() string { return e.text[0] }

// An error contains the text of the context's error once.
func TestErrorOfTheContext(t *testing.T) {
	s := &Store{dialect: SQLite}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.EqualError(t, s.explain(ctx, ctx.Err()), "context canceled")
	locked := s.explain(ctx, errors.New("database is locked"))
	require.ErrorIs(t, locked, context.Canceled)
	require.EqualError(t, locked, "context canceled (sqlite: database is locked)")
	require.ErrorIs(t, s.explain(overdue{t.Context()}, errors.New("database is locked")), context.DeadlineExceeded)
}

// overdue is a context a moment after its deadline, whose timer has not fired yet.
type overdue struct{ context.Context }

func (overdue) Deadline() (time.Time, bool) { return time.Now(), true }

// withhold keeps errors that callers compare with, and causes whose text is constant.
func TestWithheldErrors(t *testing.T) {
	s := &Store{dialect: SQLite}
	for _, kept := range []error{context.Canceled, context.DeadlineExceeded, sql.ErrConnDone, sql.ErrTxDone, io.EOF} {
		err := s.withhold(fmt.Errorf("canary: %w", kept))
		require.ErrorIs(t, err, kept)
		requireQuiet(t, err)
	}
	for _, ours := range []error{driver.ErrCorrupt, driver.ErrExists, driver.ErrNotFound, driver.ErrClosed} {
		require.Equal(t, ours, s.withhold(ours))
	}
	requireQuiet(t, s.withhold(uncomparable{[]string{"canary"}}))
	require.ErrorContains(t, s.withhold(uncomparable{[]string{"canary"}}), "of type sqlstore.uncomparable")
	s.dialect.Explain = nil
	requireQuiet(t, s.withhold(errors.New("canary")))
	require.NoError(t, s.withhold(nil))
}
