package sqlite

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// A call with driver.WithoutCreating creates no file and no table, and keeps the journal mode.
func TestWithoutCreating(t *testing.T) {
	calls := map[string]func(driver.Store, *testing.T) error{
		"Retrieve": func(s driver.Store, t *testing.T) error {
			_, err := s.Retrieve(driver.WithoutCreating(t.Context()), "k")
			return err
		},
		"Sessions": func(s driver.Store, t *testing.T) error {
			for _, err := range s.Sessions(driver.WithoutCreating(t.Context())) {
				return err
			}
			return nil
		},
		"Ping": func(s driver.Store, t *testing.T) error {
			return s.(driver.Pinger).Ping(driver.WithoutCreating(t.Context()))
		},
		"Create": func(s driver.Store, t *testing.T) error {
			now := time.Now().UTC().Truncate(time.Millisecond)
			return s.Create(driver.WithoutCreating(t.Context()), &driver.Record{Key: "k", Created: now, Expires: now.Add(time.Hour)})
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, dsn := range []string{"%s/a.db", "file:%s/b.db", "file:%s/c.db?mode=rwc", "%s/d.db?_journal=WAL", "file:%s/e%%20e.db?mode=rw"} {
				s := open(t, fmt.Sprintf(dsn, dir))
				err := call(s, t)
				require.Error(t, err, "%s of a store opened as %s", name, dsn)
				require.NotContains(t, err.Error(), dir)
				for _, sentinel := range []error{driver.ErrNotFound, driver.ErrCorrupt, driver.ErrClosed} {
					require.NotErrorIs(t, err, sentinel)
				}
				require.NoError(t, s.Close())
			}
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, entries)
		})
	}
}

// A call with driver.WithoutCreating does not change the file of another application.
func TestWithoutCreatingInAnotherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open(SQLDriver, path)
	require.NoError(t, err)
	_, err = db.Exec("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)

	s := open(t, path)
	_, err = s.Retrieve(driver.WithoutCreating(t.Context()), "k")
	require.ErrorContains(t, err, "no sessions can be read here, and nothing was created")
	require.NoError(t, s.Close())
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// A call with driver.WithoutCreating reads an existing store.
func TestWithoutCreatingFinds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	_, err := s.Retrieve(t.Context(), "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.NoError(t, s.Close())
	s = open(t, path)
	_, err = s.Retrieve(driver.WithoutCreating(t.Context()), "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.NoError(t, s.Close())
}
