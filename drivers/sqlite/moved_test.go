package sqlite

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// copyOf returns the path of a backup of a store.
func copyOf(t *testing.T, s driver.Store) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.db")
	_, err := s.(*store).db.Exec("VACUUM INTO ?", path)
	require.NoError(t, err)
	return path
}

// useAll makes concurrent calls, so that they use each connection of the pool.
func useAll(ctx context.Context, s driver.Store) error {
	var all sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		all.Go(func() {
			if i%2 == 0 {
				errs[i] = s.Create(ctx, record(fmt.Sprint("use", i)))
				return
			}
			_, errs[i] = s.Retrieve(ctx, "k1")
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// After the file was replaced, calls fail, and the store does not change the new file.
func TestFileIsReplaced(t *testing.T) {
	ctx := t.Context()
	for name, harm := range map[string]func(path, backup string) error{
		"backup renamed over it": func(path, backup string) error { return os.Rename(backup, path) },
		"deleted":                func(path, _ string) error { return os.Remove(path) },
		"deleted with its log": func(path, _ string) error {
			return errors.Join(os.Remove(path), os.Remove(path+"-wal"), os.Remove(path+"-shm"))
		},
		"empty file in its place": func(path, _ string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
		"directory moved":         func(path, _ string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+"2") },
		"directory in its place":  func(path, _ string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		for _, journal := range []string{"WAL", "DELETE"} {
			t.Run(name+" "+journal, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "canary")
				require.NoError(t, os.Mkdir(dir, 0o700))
				path := filepath.Join(dir, "s.db")
				s := open(t, path+"?_journal="+journal)
				for i := range 50 {
					require.NoError(t, s.Create(ctx, record(fmt.Sprint("k", i))))
				}
				require.NoError(t, useAll(ctx, s))
				backup := copyOf(t, s)
				before, err := os.ReadFile(backup)
				require.NoError(t, err)
				if harm(path, backup) != nil {
					t.Skip("this journal mode has no log to delete")
				}
				for i := range 50 {
					key := fmt.Sprint("k", i)
					err := s.Destroy(ctx, key)
					require.Error(t, err)
					require.NotContains(t, err.Error(), "canary")
					require.NotErrorIs(t, err, driver.ErrNotFound)
					_, err = s.Retrieve(ctx, key)
					require.Error(t, err)
					require.NotErrorIs(t, err, driver.ErrNotFound)
				}
				err = s.(*store).Ping(ctx)
				require.Error(t, err)
				if name != "directory in its place" {
					require.ErrorContains(t, err, "deleted, replaced or moved")
				}
				if name == "backup renamed over it" {
					after, err := os.ReadFile(path)
					require.NoError(t, err)
					require.Equal(t, before, after)
				}
			})
		}
	}
}

// After Destroy has returned nil, Retrieve does not find the session, even if the file is replaced
// meanwhile.
func TestDestroyWhileFileIsReplaced(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	const sessions = 1000
	for i := range sessions {
		require.NoError(t, s.Create(ctx, record(fmt.Sprint("k", i))))
	}
	backup := copyOf(t, s)
	var all sync.WaitGroup
	var begun sync.WaitGroup
	begun.Add(8)
	for w := range 8 {
		all.Go(func() {
			for i := w; i < sessions; i += 8 {
				if i == w+80 {
					begun.Done()
				}
				key := fmt.Sprint("k", i)
				if s.Destroy(ctx, key) != nil {
					continue
				}
				for range 3 {
					if _, err := s.Retrieve(ctx, key); err == nil {
						t.Errorf("Retrieve(%q) = a record, nil after Destroy has returned nil; want an error", key)
					}
				}
			}
		})
	}
	begun.Wait()
	require.NoError(t, os.Rename(backup, path))
	all.Wait()
}

// A store uses a file again that is put back. A store that is opened again uses a new file.
func TestFileIsPutBack(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "s.db")
	s, err := Driver{}.Open(path)
	require.NoError(t, err)
	require.NoError(t, s.Create(ctx, record("k1")))
	require.NoError(t, useAll(ctx, s))
	require.NoError(t, os.Rename(path, path+".away"))
	require.Error(t, useAll(ctx, s))
	require.NoError(t, os.Rename(path+".away", path))
	_, err = s.Retrieve(ctx, "k1")
	require.NoError(t, err)
	require.NoError(t, s.Destroy(ctx, "k1"))
	_, err = s.Retrieve(ctx, "k1")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.NoError(t, s.(*store).Ping(ctx))

	require.NoError(t, os.Remove(path))
	require.Error(t, s.Create(ctx, record("k2")))
	require.NoError(t, s.Close())
	s = open(t, path)
	require.NoError(t, s.Create(ctx, record("k2")))
	_, err = s.Retrieve(ctx, "use0")
	require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve of a record of the deleted file")
}

// A backup can be restored as the package comment says.
func TestRestore(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "s.db")
	s, err := Driver{}.Open(path)
	require.NoError(t, err)
	require.NoError(t, s.Create(ctx, record("k1")))
	backup := copyOf(t, s)
	for i := range 100 {
		require.NoError(t, s.Create(ctx, record(fmt.Sprint("later", i))))
	}
	require.NoError(t, os.Rename(backup, path)) // while the store is open
	require.ErrorContains(t, s.Create(ctx, record("k2")), "deleted, replaced or moved")
	require.NoError(t, s.Close())
	for _, suffix := range []string{"-wal", "-shm"} {
		require.NoError(t, os.RemoveAll(path+suffix))
	}

	s = open(t, path)
	_, err = s.Retrieve(ctx, "k1")
	require.NoError(t, err)
	_, err = s.Retrieve(ctx, "later1")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.NoError(t, s.(driver.Pinger).Ping(ctx))
	requireIntact(t, s.(*store).db)
}

// A connection that was opened and never used fails after the file was replaced.
func TestFileIsReplacedBeforeFirstUse(t *testing.T) {
	ctx := t.Context()
	for name, use := range map[string]func(c *conn) error{
		"prepare": func(c *conn) error { _, err := c.PrepareContext(ctx, "SELECT 1"); return err },
		"begin":   func(c *conn) error { _, err := c.BeginTx(ctx, sqldriver.TxOptions{}); return err },
		"exec":    func(c *conn) error { _, err := c.ExecContext(ctx, "SELECT 1", nil); return err },
		"query":   func(c *conn) error { _, err := c.QueryContext(ctx, "SELECT 1", nil); return err },
	} {
		path := filepath.Join(t.TempDir(), "s.db")
		d, err := parseDSN(path)
		require.NoError(t, err)
		c, err := (&connector{dsn: d}).Connect(ctx)
		require.NoError(t, err)
		require.NoError(t, os.Rename(path, path+".old"))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.ErrorIs(t, use(c.(*conn)), sqldriver.ErrBadConn, "error of %s", name)
		require.NoError(t, c.Close())
	}
}

// A new file does not get the inode number of the deleted one, even if no connection is open to
// that any more.
func TestFileIsReplacedAfterFailedCalls(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux can a file be pinned without a lock")
	}
	ctx := t.Context()
	for name, replace := range map[string]func(t *testing.T, path string){
		"an empty file": func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, nil, 0o600)) },
		"another store": func(t *testing.T, path string) { require.NoError(t, open(t, path).Create(ctx, record("other"))) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.db")
			s := open(t, path)
			require.NoError(t, s.Create(ctx, record("k1")))
			require.NoError(t, useAll(ctx, s))
			for _, suffix := range []string{"", "-wal", "-shm"} {
				require.NoError(t, os.Remove(path+suffix))
			}
			for range 3 { // until the last connection is closed
				require.Error(t, useAll(ctx, s), "the file is gone")
			}
			replace(t, path)
			for range 20 {
				_, err := s.Retrieve(ctx, "k1")
				require.ErrorContains(t, err, "deleted, replaced or moved")
				require.ErrorContains(t, s.Create(ctx, record("late")), "deleted, replaced or moved")
			}
			require.NoError(t, s.Close())
			again := open(t, path)
			_, err := again.Retrieve(ctx, "late")
			require.ErrorIs(t, err, driver.ErrNotFound)
		})
	}
}
