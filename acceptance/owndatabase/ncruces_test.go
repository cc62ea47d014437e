// Package owndatabase tests package sqlstore over a SQL driver for SQLite that drivers/sqlite does
// not use. The package is apart from the other tests, because ncruces and go-sqlite3 register their
// SQL drivers under one name, and a program can contain only one of them.
package owndatabase

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"
	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
)

// A child is a process of the test binary that increments a counter in a file.
const childFile = "OWNDATABASE_TEST_FILE"

func TestMain(m *testing.M) {
	file := os.Getenv(childFile)
	if file == "" {
		os.Exit(m.Run())
	}
	if err := increment(file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// openDatabase opens a database as the documentation of package sqlstore advises.
func openDatabase(file string) (*sql.DB, error) {
	return sql.Open("sqlite3", "file:"+file+"?_pragma=busy_timeout(20)&_pragma=journal_mode(wal)&_txlock=immediate")
}

func openForTest(t testing.TB, file string) *sql.DB {
	t.Helper()
	db, err := openDatabase(file)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// target opens a pool for each store, so that checks with two stores use two pools.
func target(t *testing.T) drivertest.Target {
	return drivertest.Target{
		Open: func(dsn string) (driver.Store, error) {
			return sqlstore.New(openForTest(t, dsn), sqlstore.SQLite, sqlstore.Options{Table: "web"}), nil
		},
		DSN: func(t testing.TB) string { return filepath.Join(t.TempDir(), "app.db") },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer |
			drivertest.RenameTracker,
		Count: func(t testing.TB, dsn string) (rows int) {
			const all = `SELECT (SELECT count(*) FROM web) + (SELECT count(*) FROM web_schema)`
			require.NoError(t, openForTest(t, dsn).QueryRow(all).Scan(&rows))
			return rows
		},
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, target(t)) }

func TestHistories(t *testing.T) { histories.Run(t, target(t), 3*time.Second) }

const increments = 50

// increment increments a counter by Flush, and retries on a conflict as package session does.
func increment(file string) error {
	db, err := openDatabase(file)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, s := context.Background(), sqlstore.New(db, sqlstore.SQLite)
	now := time.Now().UTC().Truncate(time.Millisecond)
	first := &driver.Record{Key: "counter", Data: []byte("0"), Created: now, Expires: now.Add(time.Hour)}
	if err := s.Create(ctx, first); err != nil && !errors.Is(err, driver.ErrExists) {
		return err
	}
	for done := 0; done < increments; {
		r, err := s.Retrieve(ctx, "counter")
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(r.Data))
		if err != nil {
			return err
		}
		r.Data = strconv.AppendInt(nil, int64(n+1), 10)
		switch err := s.Flush(ctx, r); {
		case err == nil:
			done++
		case !errors.Is(err, driver.ErrConflict):
			return err
		}
	}
	return nil
}

// Processes that start at the same time create the tables together, and lose no updates.
func TestConcurrentProcesses(t *testing.T) {
	const processes = 4
	file := filepath.Join(t.TempDir(), "app.db")
	var all sync.WaitGroup
	for range processes {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childFile+"="+file)
		child.Stderr = os.Stderr
		all.Go(func() {
			if err := child.Run(); err != nil {
				t.Errorf("child process: %v; want success", err)
			}
		})
	}
	all.Wait()
	r, err := sqlstore.New(openForTest(t, file), sqlstore.SQLite).Retrieve(t.Context(), "counter")
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(processes*increments), string(r.Data))
}

// The sessions of a factory stay in the database of the application, which stays open.
func TestFactory(t *testing.T) {
	ctx := t.Context()
	db := openForTest(t, filepath.Join(t.TempDir(), "app.db"))
	var id session.ID
	for round := range 2 {
		f, err := session.Config{}.New(sqlstore.New(db, sqlstore.SQLite))
		require.NoError(t, err)
		if round == 0 {
			s, err := f.Create(ctx)
			require.NoError(t, err)
			require.NoError(t, s.Set("color", "blue"))
			require.NoError(t, s.Flush(ctx))
			id = s.ID()
		}
		s, err := f.Retrieve(ctx, id)
		require.NoError(t, err)
		color, err := session.Get[string](s, "color")
		require.NoError(t, err)
		require.Equal(t, "blue", color)
		require.NoError(t, f.Close())
		require.NoError(t, db.Ping())
	}
}
