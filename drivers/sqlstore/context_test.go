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
)

// In a database of several writers, a statement ends with its context, in an exclusive store too.
func TestContextEndsStatement(t *testing.T) {
	several := SQLite
	several.OneWriter = false
	hangs := false // if true, a statement blocks until its context ends, as in a server
	db := sql.OpenDB(&wrapped{
		dsn: filepath.Join(t.TempDir(), "app.db"),
		exec: func(ctx context.Context, _ []driver.NamedValue) error {
			if !hangs {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
				return nil
			}
		},
	})
	defer db.Close()
	for _, o := range []Options{{}, {Exclusive: true}} {
		hangs = false
		s := New(db, several, o)
		r := record("k", time.Hour)
		require.NoError(t, s.Create(t.Context(), r))
		hangs = true
		for name, call := range map[string]func(context.Context) error{
			"Create":        func(ctx context.Context) error { return s.Create(ctx, record("l", time.Hour)) },
			"Flush":         func(ctx context.Context) error { return s.Flush(ctx, r) },
			"ChangeID":      func(ctx context.Context) error { return rename(ctx, s, r, "m") },
			"Touch":         func(ctx context.Context) error { return s.Touch(ctx, "k", r.Expires) },
			"Destroy":       func(ctx context.Context) error { return s.Destroy(ctx, "k") },
			"DeleteExpired": func(ctx context.Context) error { _, err := s.DeleteExpired(ctx); return err },
			"Ping":          s.Ping,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			begin := time.Now()
			err := call(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, "error of %s", name)
			require.Less(t, time.Since(begin), 30*time.Second, "time of %s", name)
		}
		hangs = false
		require.NoError(t, s.Destroy(t.Context(), "k"))
		require.NoError(t, s.Close())
	}
}

// With the short busy timeout that the package comment recommends, a call ends with its context
// while another transaction, which may be the caller's own, blocks all writers.
func TestDeadlineBehindAnotherWriter(t *testing.T) {
	dsn := "file:" + filepath.Join(t.TempDir(), "app.db") + "?_journal_mode=WAL&_busy_timeout=20&_txlock=immediate"
	db, err := sql.Open("sqlite3", dsn)
	require.NoError(t, err)
	defer db.Close()
	s := New(db, SQLite)
	r := record("k", time.Hour)
	require.NoError(t, s.Create(t.Context(), r))
	own, err := db.Begin()
	require.NoError(t, err)
	for name, call := range map[string]func(context.Context) error{
		"Create":        func(ctx context.Context) error { return s.Create(ctx, record("l", time.Hour)) },
		"Flush":         func(ctx context.Context) error { return s.Flush(ctx, r) },
		"ChangeID":      func(ctx context.Context) error { return rename(ctx, s, r, "m") },
		"Destroy":       func(ctx context.Context) error { return s.Destroy(ctx, "k") },
		"DeleteExpired": func(ctx context.Context) error { _, err := s.DeleteExpired(ctx); return err },
		"Ping":          s.Ping,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		begin := time.Now()
		require.ErrorIs(t, call(ctx), context.DeadlineExceeded, "error of %s", name)
		require.Less(t, time.Since(begin), 30*time.Second, "time of %s", name)
		cancel()
	}
	_, err = s.Retrieve(t.Context(), "k")
	require.NoError(t, err, "Retrieve while another transaction writes")
	require.NoError(t, own.Rollback())
	require.NoError(t, s.Flush(t.Context(), r))
}
