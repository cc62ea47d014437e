//go:build cgo

package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A sweep over a network deletes thousands of rows a second.
func TestSweepOverNetwork(t *testing.T) {
	const rows = 6000
	var wait time.Duration // the round trip of each statement
	db := sql.OpenDB(&wrapped{
		dsn:   "file:" + filepath.Join(t.TempDir(), "s.db") + "?_journal_mode=WAL",
		exec:  func(context.Context, []driver.NamedValue) error { time.Sleep(wait); return nil },
		query: func() { time.Sleep(wait) },
	})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	for _, roundTrip := range []time.Duration{2 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
		s := New(db, SQLite)
		require.NoError(t, s.Ping(t.Context()))
		_, err := db.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO sessions SELECT 'k' || i, zeroblob(450), x'', 1, 1, '', 1 FROM n`, rows))
		require.NoError(t, err)
		wait = roundTrip
		begin := time.Now()
		n, err := s.DeleteExpired(t.Context())
		took := time.Since(begin)
		wait = 0
		require.NoError(t, err)
		require.Equal(t, rows, n)
		t.Logf("round trip %v: %.0f rows/s", roundTrip, rows/took.Seconds())
		require.Less(t, took, 150*roundTrip+5*time.Second, "time of the sweep; a round trip per row would take %v", rows*roundTrip)
	}
}
