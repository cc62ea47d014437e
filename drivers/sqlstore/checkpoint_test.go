//go:build cgo

package sqlstore

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The checkpoint goroutine moves writes into the file though no writer runs a checkpoint, and Close
// stops the goroutine.
func TestCheckpoints(t *testing.T) {
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "app.db")
	db, err := sql.Open("sqlite3", file+"?_journal_mode=WAL")
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "PRAGMA wal_autocheckpoint = 0")
	require.NoError(t, err)
	s := New(db, SQLite, Options{Exclusive: true})
	require.NoError(t, s.Create(ctx, record("k", time.Hour)))
	size := func() int64 {
		info, err := os.Stat(file)
		require.NoError(t, err)
		return info.Size()
	}
	before, i := size(), 0
	require.Eventually(t, func() bool {
		for range commitsToCheckpoint {
			i++
			require.NoError(t, s.Create(ctx, record(fmt.Sprint(i), time.Hour)))
		}
		return size() > before
	}, time.Minute, checkpointPause)
	require.NoError(t, s.Close())
	s.checkpoints.running.Wait()
}
