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

	"gosession.dev/session/driver"
)

// putMark stores a mark of the given age.
func putMark(t *testing.T, db *sql.DB, key, to string, age time.Duration) {
	t.Helper()
	_, err := db.Exec(`INSERT INTO sessions VALUES (?, '{}', CAST(? AS BLOB), 1, ?, '', 1)`, key, to, -time.Now().Add(-age).UnixMilli())
	require.NoError(t, err)
}

// rename changes the key of r.
func rename(ctx context.Context, s *Store, r *driver.Record, key string) error {
	moved := *r
	moved.Key = key
	return s.ChangeID(ctx, r.Key, &moved)
}

// An expired mark blocks neither its key nor a new mark, even before a sweep.
func TestExpiredMark(t *testing.T) {
	ctx := t.Context()
	db := database(t)
	s := New(db, SQLite)
	require.NoError(t, s.Ping(ctx))
	for _, key := range []string{"old", "new"} {
		putMark(t, db, key, "elsewhere", driver.MarkLifetime+time.Millisecond)
		_, err := s.Renamed(ctx, key)
		require.ErrorIs(t, err, driver.ErrNotFound)
	}
	r := record("old", time.Hour)
	require.NoError(t, s.Create(ctx, r))
	require.NoError(t, rename(ctx, s, r, "new"))
	mark, err := s.Renamed(ctx, "old")
	require.NoError(t, err)
	require.Equal(t, "new", mark.To)
	require.Less(t, mark.Age, time.Minute)
}

func TestMarksAreSwept(t *testing.T) {
	ctx := t.Context()
	db := database(t)
	s := New(db, SQLite)
	require.NoError(t, s.Create(ctx, record("expired", -time.Hour)))
	for i := range 3 * firstBatch {
		putMark(t, db, fmt.Sprint("expired", i), "elsewhere", driver.MarkLifetime)
	}
	putMark(t, db, "live", "elsewhere", driver.MarkLifetime-time.Minute)
	ended, err := s.endedMarks(ctx)
	require.NoError(t, err)
	deleted, _, err := s.deleteBatch(ctx, ended, firstBatch)
	require.NoError(t, err)
	require.Equal(t, firstBatch, deleted, "rows deleted by one batch")
	n, err := s.DeleteExpired(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n, "records deleted by DeleteExpired, without marks")
	var keys string
	require.NoError(t, db.QueryRow(`SELECT group_concat(id) FROM sessions`).Scan(&keys))
	require.Equal(t, "live", keys)
}

// A web server whose clock is ahead removes no mark early.
func TestSweepByClockOfDatabase(t *testing.T) {
	ctx := t.Context()
	db := database(t)
	behind := SQLite
	behind.Now = "(" + SQLite.Now + " - 300000)"
	s := New(db, behind)
	require.NoError(t, s.Ping(ctx))
	putMark(t, db, "old", "new", driver.MarkLifetime+time.Minute)
	_, err := s.DeleteExpired(ctx)
	require.NoError(t, err)
	mark, err := s.Renamed(ctx, "old")
	require.NoError(t, err)
	require.Equal(t, "new", mark.To)
}

// A record and its mark are written together or not at all.
func TestMarkAndRecordTogether(t *testing.T) {
	ctx := t.Context()
	for _, o := range []Options{{}, {Exclusive: true}} {
		db := database(t)
		s := New(db, SQLite, o)
		r := record("old", time.Hour)
		require.NoError(t, s.Create(ctx, r))
		require.NoError(t, s.Create(ctx, record("taken", time.Hour)))

		_, err := db.Exec(`CREATE TRIGGER no_marks BEFORE INSERT ON sessions WHEN new.expires < 0 BEGIN SELECT RAISE(ABORT, 'no marks today'); END`)
		require.NoError(t, err)
		err = inGroup(t, s, func() error { return rename(ctx, s, r, "new") })
		require.ErrorContains(t, err, "sqlite3.Error")
		require.NotContains(t, err.Error(), "no marks today")
		_, err = s.Retrieve(ctx, "old")
		require.NoError(t, err)
		_, err = s.Retrieve(ctx, "new")
		require.ErrorIs(t, err, driver.ErrNotFound)
		_, err = db.Exec(`DROP TRIGGER no_marks`)
		require.NoError(t, err)

		stale := *r
		stale.Version++
		require.ErrorIs(t, inGroup(t, s, func() error { return rename(ctx, s, &stale, "new") }), driver.ErrConflict)
		require.ErrorIs(t, inGroup(t, s, func() error { return rename(ctx, s, r, "taken") }), driver.ErrExists)
		_, err = s.Renamed(ctx, "old")
		require.ErrorIs(t, err, driver.ErrNotFound)

		require.NoError(t, inGroup(t, s, func() error { return rename(ctx, s, r, "new") }))
		mark, err := s.Renamed(ctx, "old")
		require.NoError(t, err)
		require.Equal(t, "new", mark.To)
	}
}

// inGroup calls write and returns its error. In an exclusive store, the write shares a transaction
// with another one.
func inGroup(t *testing.T, s *Store, write func() error) error {
	t.Helper()
	if !s.exclusive {
		return write()
	}
	s.writer <- struct{}{}
	other, outcome := make(chan error), make(chan error)
	go func() { other <- s.Touch(t.Context(), "taken", time.Now().Add(time.Hour)) }()
	go func() { outcome <- write() }()
	s.writes.waitFor(t, 2)
	<-s.writer
	require.NoError(t, <-other)
	return <-outcome
}

// versionOne creates the tables of release 0.1.
const versionOne = `
CREATE TABLE sessions (
	id TEXT NOT NULL PRIMARY KEY,
	data BLOB NOT NULL,
	meta BLOB NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	subject TEXT NOT NULL,
	version INTEGER NOT NULL
);
CREATE INDEX sessions_expires ON sessions (expires);
CREATE INDEX sessions_subject ON sessions (subject, id) WHERE subject <> '';
CREATE TABLE sessions_schema (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL);
INSERT INTO sessions_schema (id, version) VALUES (1, 1);
INSERT INTO sessions VALUES ('k', '{"n":1}', x'0102', 1000, 4102444800000, 'ada', 7);
`

// Several stores can use tables of release 0.1 at the same time.
func TestTablesOfEarlierRelease(t *testing.T) {
	const stores = 8
	for round := range 10 {
		dsn := filepath.Join(t.TempDir(), "app.db") + "?_journal_mode=WAL"
		open := func() *sql.DB {
			db, err := sql.Open("sqlite3", dsn)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			return db
		}
		_, err := open().Exec(versionOne)
		require.NoError(t, err)
		begin, errs := make(chan struct{}), make(chan error)
		for i := range stores {
			s := New(open(), SQLite)
			go func() {
				<-begin
				ctx := context.Background()
				r := record(fmt.Sprint(i), time.Hour)
				if err := s.Create(ctx, r); err != nil {
					errs <- err
					return
				}
				errs <- rename(ctx, s, r, fmt.Sprint("new", i))
			}()
		}
		close(begin)
		for range stores {
			require.NoError(t, <-errs, "round %d", round)
		}

		s := New(open(), SQLite)
		r, err := s.Retrieve(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, &driver.Record{Key: "k", Data: []byte(`{"n":1}`), Meta: []byte{1, 2}, Subject: "ada", Version: 7,
			Created: time.UnixMilli(1000).UTC(), Expires: time.UnixMilli(4102444800000).UTC()}, r)
		for i := range stores {
			_, err := s.Renamed(t.Context(), fmt.Sprint(i))
			require.NoError(t, err)
		}
	}
}
