//go:build cgo

package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sessions "gosession.dev/session/driver"
)

// While database/sql closes a connection, which may take long, a call gets another one: with
// Options.CallContexts, database/sql does not see that the context of the call ends.
func TestCallWhileConnectionCloses(t *testing.T) {
	closing, release := make(chan struct{}), make(chan struct{})
	db := sql.OpenDB(&slowToClose{
		Connector: &wrapped{dsn: "file:" + filepath.Join(t.TempDir(), "s.db") + "?_journal_mode=WAL"},
		closing:   closing, release: release,
	})
	db.SetMaxOpenConns(1)
	db.SetConnMaxIdleTime(time.Millisecond) // database/sql looks once a second
	s := New(db, SQLite, Options{CallContexts: true})
	require.NoError(t, s.Ping(t.Context()))
	<-closing
	got := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := s.Retrieve(ctx, "k")
		got <- err
	}()
	select {
	case err := <-got:
		require.ErrorIs(t, err, sessions.ErrNotFound)
	case <-time.After(10 * time.Second):
		t.Error("Retrieve has not returned 9 seconds after its context ended")
	}
	close(release)
	require.NoError(t, db.Close())
}

// slowToClose is a connector whose connections close when release is closed.
type slowToClose struct {
	driver.Connector
	closing, release chan struct{}
}

func (c *slowToClose) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &slowConn{conn.(*wrappedConn), c}, nil
}

type slowConn struct {
	*wrappedConn
	c *slowToClose
}

func (c *slowConn) Close() error {
	select {
	case c.c.closing <- struct{}{}:
	case <-c.c.release:
	}
	<-c.c.release
	return c.wrappedConn.Close()
}
