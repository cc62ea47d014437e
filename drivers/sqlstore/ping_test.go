//go:build cgo

package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const sessionsTable = `CREATE TABLE sessions (id TEXT PRIMARY KEY, data, meta, created, expires, subject, version`

// Ping fails if sessions can't be written, or if the database changes them.
func TestPingFails(t *testing.T) {
	for name, tt := range map[string]struct{ before, after string }{
		"one more column":     {before: sessionsTable + `, tenant TEXT NOT NULL)`},
		"check":               {before: sessionsTable + `, CHECK (expires < 0))`},
		"text in the version": {before: `CREATE TABLE sessions (id TEXT PRIMARY KEY, data, meta, created, expires, subject, version TEXT)`},
		"real expiry":         {before: `CREATE TABLE sessions (id TEXT PRIMARY KEY, data, meta, created, expires REAL, subject, version)`},
		"integer subject":     {before: `CREATE TABLE sessions (id TEXT PRIMARY KEY, data, meta, created, expires, subject INTEGER, version)`},
		"integer key":         {before: `CREATE TABLE sessions (id INTEGER PRIMARY KEY, data, meta, created, expires, subject, version)`},
		"strict integer data": {before: `CREATE TABLE sessions (id TEXT PRIMARY KEY, data INTEGER, meta ANY, created ANY, expires ANY, subject ANY, version ANY) STRICT`},
		"strict text data":    {before: `CREATE TABLE sessions (id TEXT PRIMARY KEY, data TEXT, meta ANY, created ANY, expires ANY, subject ANY, version ANY) STRICT`},
		"positive expiry":     {before: sessionsTable + `, CHECK (expires > 0))`},
		"no table":            {after: `DROP TABLE sessions`},
		"no insert":           {after: `CREATE TRIGGER t BEFORE INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END`},
		"ignored insert":      {after: `CREATE TRIGGER t BEFORE INSERT ON sessions BEGIN SELECT RAISE(IGNORE); END`},
		"no update":           {after: `CREATE TRIGGER t BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END`},
		"no delete":           {after: `CREATE TRIGGER t BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END`},
		"ignored delete":      {after: `CREATE TRIGGER t BEFORE DELETE ON sessions BEGIN SELECT RAISE(IGNORE); END`},
		"no mark":             {after: `CREATE TRIGGER t BEFORE INSERT ON sessions WHEN new.expires < 0 BEGIN SELECT RAISE(ABORT, 'no'); END`},
		"changed data":        {after: `CREATE TRIGGER t AFTER UPDATE ON sessions BEGIN UPDATE sessions SET data = '{}' WHERE id = new.id; END`},
		"query only":          {after: `PRAGMA query_only = on`},
	} {
		t.Run(name, func(t *testing.T) {
			db := database(t)
			db.SetMaxOpenConns(1)
			_, err := db.Exec(tt.before)
			require.NoError(t, err)
			s := New(db, SQLite)
			if tt.after != "" {
				require.NoError(t, s.Ping(t.Context()))
				_, err = db.Exec(tt.after)
				require.NoError(t, err)
			}
			require.Error(t, s.Ping(shortly(t)))
			_, err = db.Exec("BEGIN; COMMIT")
			require.NoError(t, err, "BEGIN after Ping")
		})
	}
}

// Ping fails while the disk is full.
func TestPingOnFullDisk(t *testing.T) {
	ctx := t.Context()
	db := database(t)
	db.SetMaxOpenConns(1)
	s := New(db, SQLite)
	require.NoError(t, s.Ping(ctx))
	_, err := db.Exec(`PRAGMA max_page_count = 1`) // SQLite raises this to the present size
	require.NoError(t, err)
	for i := 0; err == nil; i++ {
		err = s.Create(ctx, record(fmt.Sprint(i), time.Hour))
	}
	require.ErrorContains(t, s.Ping(ctx), "database or disk is full")
	_, err = db.Exec(`PRAGMA max_page_count = 1000000`)
	require.NoError(t, err)
	require.NoError(t, s.Ping(ctx))
}

// Ping changes no record, and leaves no record or mark.
func TestPingLeavesNothing(t *testing.T) {
	ctx := t.Context()
	for _, o := range []Options{{}, {Exclusive: true}} {
		db := database(t)
		s := New(db, SQLite, o)
		r := record("k", time.Hour)
		require.NoError(t, s.Create(ctx, r))
		for range 3 {
			require.NoError(t, s.Ping(ctx))
		}
		got, err := s.Retrieve(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, r.Version, got.Version)
		var rows int
		require.NoError(t, db.QueryRow(`SELECT count(*) FROM sessions`).Scan(&rows))
		require.Equal(t, 1, rows)
	}
}

// Ping accepts a table with other declared types, which SQLite does not enforce.
func TestPingAcceptsOtherTypes(t *testing.T) {
	db := database(t)
	_, err := db.Exec(`CREATE TABLE sessions (id VARCHAR(64) PRIMARY KEY, data JSON, meta BLOB, created BIGINT, expires BIGINT, subject TEXT, version BIGINT, tenant TEXT)`)
	require.NoError(t, err)
	require.NoError(t, New(db, SQLite).Ping(t.Context()))
}

// Ping waits for another writer until its context or pingTime ends.
func TestPingOfLockedDatabase(t *testing.T) {
	db, err := sql.Open("sqlite3", filepath.Join(t.TempDir(), "app.db")+"?_busy_timeout=10&_journal_mode=WAL&_txlock=immediate")
	require.NoError(t, err)
	defer db.Close()
	s := New(db, SQLite)
	require.NoError(t, s.Ping(t.Context()))
	lock, err := db.Begin()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Ping(ctx), context.DeadlineExceeded)
	begin := time.Now()
	require.ErrorIs(t, s.Ping(context.Background()), context.DeadlineExceeded)
	require.Less(t, time.Since(begin), pingTime+30*time.Second)
	require.NoError(t, lock.Rollback())
	require.NoError(t, s.Ping(t.Context()))
}
