package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	sessiondriver "gosession.dev/session/driver"
)

// counted is a database that counts its prepared statements.
type counted struct {
	dsn  string
	open atomic.Int64
}

func (c *counted) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (c *counted) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &countedConn{conn.(*sqlite3.SQLiteConn), c}, nil
}

type countedConn struct {
	*sqlite3.SQLiteConn
	c *counted
}

func (c *countedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.SQLiteConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.c.open.Add(1)
	return &countedStmt{stmt.(*sqlite3.SQLiteStmt), c.c}, nil
}

type countedStmt struct {
	*sqlite3.SQLiteStmt
	c *counted
}

func (s *countedStmt) Close() error {
	s.c.open.Add(-1)
	return s.SQLiteStmt.Close()
}

// However much a store is used, each connection has each statement once, and none
// after Close.
func TestPreparedStatements(t *testing.T) {
	const connections, goroutines = 4, 16
	c := &counted{dsn: "file:" + filepath.Join(t.TempDir(), "s.db") + "?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate"}
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

// useAll makes each call once.
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
	require.NoError(t, s.DestroySubject(ctx, key))
	require.ErrorIs(t, s.Destroy(ctx, renamed.Key), sessiondriver.ErrNotFound)
	_, err = s.DeleteExpired(ctx)
	require.NoError(t, err)
}
