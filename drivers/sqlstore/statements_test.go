//go:build cgo

package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	sessiondriver "gosession.dev/session/driver"
)

// wrapped is a connector that counts open prepared statements and their executions.
type wrapped struct {
	dsn                     string
	open, executed, queried atomic.Int64

	// Hooks, which run before a statement that writes, one that reads, and a transaction.
	exec         func(ctx context.Context, args []driver.NamedValue) error
	query, begin func()

	// answer runs after a commit, and after a statement that writes outside of a transaction. The
	// commit or the statement fails with its error.
	answer func() error
}

func (w *wrapped) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (w *wrapped) Connect(context.Context) (driver.Conn, error) {
	conn, err := w.Driver().Open(w.dsn)
	if err != nil {
		return nil, err
	}
	return &wrappedConn{SQLiteConn: conn.(*sqlite3.SQLiteConn), w: w}, nil
}

type wrappedConn struct {
	*sqlite3.SQLiteConn
	w    *wrapped
	inTx bool
}

func (c *wrappedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.SQLiteConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.w.open.Add(1)
	return &wrappedStmt{stmt.(*sqlite3.SQLiteStmt), c}, nil
}

func (c *wrappedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if c.w.begin != nil {
		c.w.begin()
	}
	tx, err := c.SQLiteConn.BeginTx(ctx, o)
	c.inTx = err == nil
	return wrappedTx{tx, c}, err
}

type wrappedTx struct {
	driver.Tx
	c *wrappedConn
}

func (tx wrappedTx) Commit() error {
	tx.c.inTx = false
	err := tx.Tx.Commit()
	if err == nil && tx.c.w.answer != nil {
		err = tx.c.w.answer()
	}
	return err
}

func (tx wrappedTx) Rollback() error {
	tx.c.inTx = false
	return tx.Tx.Rollback()
}

type wrappedStmt struct {
	*sqlite3.SQLiteStmt
	c *wrappedConn
}

func (s *wrappedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.c.w.executed.Add(1)
	if s.c.w.exec != nil {
		if err := s.c.w.exec(ctx, args); err != nil {
			return nil, err
		}
	}
	result, err := s.SQLiteStmt.ExecContext(ctx, args)
	if err == nil && !s.c.inTx && s.c.w.answer != nil {
		err = s.c.w.answer()
	}
	return result, err
}

func (s *wrappedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.c.w.queried.Add(1)
	if s.c.w.query != nil {
		s.c.w.query()
	}
	return s.SQLiteStmt.QueryContext(ctx, args)
}

func (s *wrappedStmt) Close() error {
	s.c.w.open.Add(-1)
	return s.SQLiteStmt.Close()
}

// Each connection prepares each statement at most once, and Close closes all of them.
func TestPreparedStatements(t *testing.T) {
	const connections, goroutines = 4, 16
	c := &wrapped{dsn: "file:" + filepath.Join(t.TempDir(), "s.db") + "?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate"}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(connections)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := New(db, SQLite)

	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range 20 {
				useAll(t, s, fmt.Sprintf("k%d-%d", g, i))
			}
		})
	}
	wg.Wait()
	each := int64(len(s.table.Load().all))
	require.LessOrEqual(t, c.open.Load(), connections*each)
	require.GreaterOrEqual(t, c.open.Load(), each)
	require.NoError(t, s.Close())
	require.Zero(t, c.open.Load())
}

// useAll calls each method once.
func useAll(t *testing.T, s *Store, key string) {
	ctx := context.Background()
	now := time.Now().Truncate(time.Millisecond)
	r := &sessiondriver.Record{Key: key, Data: []byte("{}"), Created: now, Expires: now.Add(time.Hour), Subject: key}
	renamed := *r
	renamed.Key += "-new"
	require.NoError(t, s.Create(ctx, r))
	require.NoError(t, s.Flush(ctx, r))
	require.NoError(t, s.Touch(ctx, key, now.Add(2*time.Hour)))
	renamed.Version = r.Version
	require.NoError(t, s.ChangeID(ctx, key, &renamed))
	_, err := s.Retrieve(ctx, key)
	require.ErrorIs(t, err, sessiondriver.ErrNotFound)
	for _, err := range s.SubjectSessions(ctx, key) {
		require.NoError(t, err)
	}
	_, err = s.Renamed(ctx, key)
	require.NoError(t, err)
	require.NoError(t, s.DestroySubject(ctx, key))
	require.ErrorIs(t, s.Destroy(ctx, renamed.Key), sessiondriver.ErrNotFound)
	_, err = s.DeleteExpired(ctx)
	require.NoError(t, err)
}

// TestStatementsPerCall fixes how many statements each call executes.
func TestStatementsPerCall(t *testing.T) {
	ctx := t.Context()
	c := &wrapped{dsn: "file:" + filepath.Join(t.TempDir(), "s.db")}
	db := sql.OpenDB(c)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := New(db, SQLite)
	require.NoError(t, s.Ping(ctx))
	r := record("k", time.Hour)
	later := r.Expires.Add(time.Hour)
	moved := *r
	moved.Key = "moved"

	for _, call := range []struct {
		name          string
		do            func() error
		want          error
		writes, reads int64
	}{
		{"Create", func() error { return s.Create(ctx, r) }, nil, 1, 0},
		{"Create of a taken key", func() error { return s.Create(ctx, record("k", time.Hour)) }, sessiondriver.ErrExists, 2, 1},
		{"Retrieve", func() error { _, err := s.Retrieve(ctx, "k"); return err }, nil, 0, 1},
		{"Retrieve of nothing", func() error { _, err := s.Retrieve(ctx, "n"); return err }, sessiondriver.ErrNotFound, 0, 1},
		{"Flush", func() error { return s.Flush(ctx, r) }, nil, 1, 0},
		{"Flush that moves the expiry", func() error { r.Expires = later; return s.Flush(ctx, r) }, nil, 2, 0},
		{"Flush of a missing key", func() error { return s.Flush(ctx, record("n", time.Hour)) }, sessiondriver.ErrNotFound, 2, 1},
		{"Touch", func() error { return s.Touch(ctx, "k", later) }, nil, 1, 0},
		{"ChangeID", func() error { moved.Version = r.Version; return s.ChangeID(ctx, "k", &moved) }, nil, 2, 0},
		{"ChangeID of a missing key", func() error { return s.ChangeID(ctx, "n", record("n2", time.Hour)) }, sessiondriver.ErrNotFound, 2, 1},
		{"Renamed", func() error { _, err := s.Renamed(ctx, "k"); return err }, nil, 0, 1},
		{"Create of a marked key", func() error { return s.Create(ctx, record("k", time.Hour)) }, sessiondriver.ErrExists, 2, 1},
		{"Destroy", func() error { return s.Destroy(ctx, "moved") }, nil, 1, 0},
		{"DeleteExpired", func() error { _, err := s.DeleteExpired(ctx); return err }, nil, 2, 1},
	} {
		c.executed.Store(0)
		c.queried.Store(0)
		require.ErrorIs(t, call.do(), call.want, "error of %s", call.name)
		require.Equal(t, []int64{call.writes, call.reads}, []int64{c.executed.Load(), c.queried.Load()}, "writes and reads of %s", call.name)
	}
}

// A listing fails if it reads the same page again: SQLite sorts keys that are blobs after all text.
func TestListingOfBlobKeys(t *testing.T) {
	ctx := t.Context()
	db := database(t)
	s := New(db, SQLite)
	require.NoError(t, s.Ping(ctx))
	_, err := db.Exec(`WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n < 600)
		INSERT INTO sessions SELECT CAST('key' || n AS BLOB), x'', x'', 1, 1 << 50, 'ada', 1 FROM c`)
	require.NoError(t, err)
	for _, list := range []iter.Seq2[string, error]{s.Sessions(ctx), s.SubjectSessions(ctx, "ada")} {
		n := 0
		for _, err = range list {
			if n++; err != nil || n > 10*pageSize {
				break
			}
		}
		require.ErrorIs(t, err, errRepeats)
	}
}

// Statements of MySQL that name a key do not offer the index of the expiry to the optimizer, which
// prefers it in small tables, and for what has expired in all tables.
func TestKeyIsTheIndex(t *testing.T) {
	for _, q := range New(new(sql.DB), MySQL).statements().all {
		if strings.Contains(q.text, "`id` = ?") || strings.Contains(q.text, "`id` > ?") {
			require.NotRegexp(t, `\bexpires [<>]`, q.text)
		}
	}
}
