//go:build cgo

package sqlstore

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
)

func record(key string, ttl time.Duration) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(`{"cart":{"items":3}}`), Created: now, Expires: now.Add(ttl)}
}

// database opens a database with the defaults of go-sqlite3, as an application might.
func database(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(t.TempDir(), "app.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestConformanceWithOwnDatabase(t *testing.T) {
	drivertest.Run(t, target(t))
}

func TestHistoriesWithOwnDatabase(t *testing.T) {
	histories.Run(t, target(t), 3*time.Second)
}

func target(t *testing.T) drivertest.Target {
	return drivertest.Target{
		Open: func(dsn string) (driver.Store, error) {
			return New(openFile(t, dsn), SQLite, Options{Table: "web"}), nil
		},
		DSN:        func(t testing.TB) string { return filepath.Join(t.TempDir(), "app.db") },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker,
		PageSize:   max(pageSize, maxBatch),
		Count: func(t testing.TB, dsn string) (rows int) {
			err := openFile(t, dsn).QueryRow(`SELECT (SELECT count(*) FROM web) + (SELECT count(*) FROM web_schema)`).Scan(&rows)
			require.NoError(t, err)
			return rows
		},
	}
}

func openFile(t testing.TB, path string) *sql.DB {
	db, err := sql.Open("sqlite3", path+"?_journal_mode=WAL")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestCloseLeavesTheDatabaseOpen(t *testing.T) {
	db := database(t)
	s := New(db, SQLite)
	require.NoError(t, s.Create(t.Context(), record("k", time.Hour)))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err := s.Retrieve(t.Context(), "k")
	require.ErrorIs(t, err, driver.ErrClosed)
	require.NoError(t, db.Ping())
	_, err = New(db, SQLite).Retrieve(t.Context(), "k")
	require.NoError(t, err)
}

// With an invalid name, every call returns an error, and no statement is executed.
func TestInvalidNames(t *testing.T) {
	db := database(t)
	for _, o := range []Options{{Table: `x"; DROP TABLE users; --`}, {IDColumn: "a b"}, {DataColumn: "1"}, {IDColumn: "x", DataColumn: "X"}, {DataColumn: "Subject"},
		{Table: "a_Schema"}, {Table: "sessions_expires"}, {Table: "x_SUBJECT"},
	} {
		require.Error(t, o.Validate())
		s := New(db, SQLite, o)
		require.ErrorContains(t, s.Ping(t.Context()), "sqlstore: ")
		require.ErrorContains(t, s.Create(t.Context(), record("k", time.Hour)), "sqlstore: ")
	}
	// Keywords are valid names, because statements quote all names.
	s := New(db, SQLite, Options{Table: "select", IDColumn: "order", DataColumn: "group"})
	require.NoError(t, s.Create(t.Context(), record("k", time.Hour)))
	var data string
	require.NoError(t, db.QueryRow(`SELECT "group" FROM "select" WHERE "order" = 'k'`).Scan(&data))
}

// SQL can query the values, and stores with different tables share no records.
func TestDataIsReadable(t *testing.T) {
	db := database(t)
	a, b := New(db, SQLite), New(db, SQLite, Options{Table: "other"})
	require.NoError(t, a.Create(t.Context(), record("k", time.Hour)))
	_, err := b.Retrieve(t.Context(), "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	var items int
	require.NoError(t, db.QueryRow(`SELECT json_extract(data, '$.cart.items') FROM sessions`).Scan(&items))
	require.Equal(t, 3, items)
}

func TestSchemaOfALaterRelease(t *testing.T) {
	db := database(t)
	require.NoError(t, New(db, SQLite).Create(t.Context(), record("k", time.Hour)))
	_, err := db.Exec(`UPDATE sessions_schema SET version = 2`)
	require.NoError(t, err)
	s := New(db, SQLite)
	require.ErrorContains(t, s.Ping(t.Context()), "schema version 2, and this release knows version 1")
	_, err = db.Exec(`UPDATE sessions_schema SET version = 1`)
	require.NoError(t, err)
	require.NoError(t, s.Ping(t.Context()), "Ping after a Ping that failed")
}

// Ping refuses a table with missing columns or without a unique key.
func TestUnusableTable(t *testing.T) {
	for name, tt := range map[string]struct{ ddl, want string }{
		"no columns":     {`CREATE TABLE sessions (id TEXT PRIMARY KEY, data BLOB)`, "the table has no column expires"},
		"no data column": {`CREATE TABLE sessions (id TEXT PRIMARY KEY, meta, created, expires, subject, version)`, "the table has no column data"},
		"key not unique": {`CREATE TABLE sessions (id TEXT, data, meta, created, expires, subject, version)`, "ON CONFLICT clause does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			db := database(t)
			_, err := db.Exec(tt.ddl)
			require.NoError(t, err)
			require.ErrorContains(t, New(db, SQLite).Ping(t.Context()), tt.want)
		})
	}
}

// Frequent queries use an index.
func TestIndexesAreUsed(t *testing.T) {
	db := database(t)
	s := New(db, SQLite)
	require.NoError(t, s.Ping(t.Context()))
	for query, want := range map[string]string{
		`SELECT data FROM sessions WHERE id = 'k'`:                                                                      "USING INDEX sqlite_autoindex_sessions_1 (id=?)",
		`DELETE FROM sessions WHERE id = 'k' AND (expires > 1 OR expires IS NULL)`:                                      "USING INDEX sqlite_autoindex_sessions_1 (id=?)",
		`SELECT id FROM sessions WHERE id > 'k' AND expires > 1 ORDER BY id LIMIT 500`:                                  "USING INDEX sqlite_autoindex_sessions_1 (id>?)",
		`SELECT id FROM sessions WHERE subject = 'a' AND subject <> '' AND id > '' AND expires > 1 ORDER BY id LIMIT 5`: "USING INDEX sessions_subject (subject=? AND id>?)",
		`DELETE FROM sessions WHERE subject = 'a' AND subject <> ''`:                                                    "INDEX sessions_subject (subject=?)",
		`SELECT id FROM sessions WHERE expires > -1 AND expires <= 1 LIMIT 10`:                                          "USING INDEX sessions_expires (expires>? AND expires<?)",
	} {
		var plan strings.Builder
		rows, err := db.Query("EXPLAIN QUERY PLAN " + query)
		require.NoError(t, err)
		for rows.Next() {
			var id, parent, unused int
			var detail string
			require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
			plan.WriteString(detail + "\n")
		}
		require.NoError(t, rows.Err())
		require.Contains(t, plan.String(), want)
		require.NotContains(t, plan.String(), "TEMP B-TREE")
	}
}

// The size of a batch adapts to how long it blocks other writers.
func TestSweepBatches(t *testing.T) {
	for _, b := range []batches{(&Store{}).batches(), (&Store{dialect: SQLite}).batches()} {
		require.Equal(t, 1000, b.next(500, b.time/4))
		require.Equal(t, 500, b.next(500, b.time))
		require.Equal(t, 500, b.next(1000, 3*b.time))
		require.Equal(t, b.min, b.next(b.min, time.Second))
		require.Equal(t, b.min, b.next(b.min+1, time.Second))
		require.Equal(t, maxBatch, b.next(maxBatch, 0))
	}

	ctx := t.Context()
	s := New(database(t), SQLite)
	for i := range 3 * firstBatch {
		require.NoError(t, s.Create(ctx, record(fmt.Sprint("old", i), -time.Hour)))
	}
	require.NoError(t, s.Create(ctx, record("live", time.Hour)))
	deleted, _, err := s.deleteBatch(ctx, expiredRecords, firstBatch)
	require.NoError(t, err)
	require.Equal(t, firstBatch, deleted, "rows deleted by one batch")
	n, err := s.DeleteExpired(ctx)
	require.NoError(t, err)
	require.Equal(t, 2*firstBatch, n)
	_, err = s.Retrieve(ctx, "live")
	require.NoError(t, err)
}

// An interrupted sweep returns the number of rows it has deleted.
func TestSweepInterrupted(t *testing.T) {
	s := New(database(t), SQLite)
	for i := range 2 * firstBatch {
		require.NoError(t, s.Create(t.Context(), record(fmt.Sprint("old", i), -time.Hour)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.dialect.IsBusy = func(error) bool { return false }
	deleted, _, err := s.deleteBatch(ctx, expiredRecords, 10)
	require.NoError(t, err)
	require.Equal(t, 10, deleted)
	cancel()
	n, err := s.DeleteExpired(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, n)
}

// retry repeats a call while the database is busy, until the context is done.
func TestRetryWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Store{dialect: SQLite}
		tries := 0
		busy := func() error {
			if tries++; tries < 5 {
				return fmt.Errorf("database is locked")
			}
			return nil
		}
		require.NoError(t, s.retry(t.Context(), busy))
		require.Equal(t, 5, tries)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := s.explain(ctx, s.retry(ctx, func() error { return fmt.Errorf("database is locked") }))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "database is locked")
		require.Equal(t, time.Second, time.Since(start))
	})
}

// retry repeats a call that found only bad connections, up to maxReconnects times.
func TestRetryOnBadConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Store{dialect: SQLite}
		for bad, want := range map[int]error{0: nil, 1: nil, maxReconnects: nil, maxReconnects + 1: sqldriver.ErrBadConn} {
			calls := 0
			err := s.retry(t.Context(), func() error {
				if calls++; calls <= bad {
					return sqldriver.ErrBadConn
				}
				return nil
			})
			require.Equal(t, want, err, "retry of a call that fails %d times", bad)
		}
	})
}

// Writers of a process queue, and leave the queue when their context is done. Readers do not queue.
func TestWritersQueue(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		s := New(database(t), SQLite, Options{Exclusive: exclusive})
		require.NoError(t, s.Create(t.Context(), record("k", time.Hour)))
		s.writer <- struct{}{} // as if another write were running
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, s.Destroy(ctx, "k"), context.DeadlineExceeded)
		_, err := s.Retrieve(t.Context(), "k")
		require.NoError(t, err, "Retrieve while a writer runs")
		<-s.writer
		require.NoError(t, s.Destroy(t.Context(), "k"))
	}
}
