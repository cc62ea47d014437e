//go:build cgo

package sqlstore

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// waitFor waits until n writes are waiting.
func (q *writes) waitFor(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.waiting) == n
	}, time.Minute, time.Millisecond)
}

// Each write of a shared transaction gets its own result, even if another write makes the
// transaction roll back.
func TestGroup(t *testing.T) {
	ctx := t.Context()
	for _, withError := range []bool{false, true} {
		s := New(database(t), SQLite, Options{Exclusive: true})
		recs := make([]*driver.Record, 2*maxGroup)
		for i := range recs {
			recs[i] = record(fmt.Sprint(i), time.Hour)
			require.NoError(t, s.Create(ctx, recs[i]))
		}
		s.writer <- struct{}{} // as if another write were running
		var all sync.WaitGroup
		errs := make([]error, len(recs))
		for i, r := range recs {
			all.Go(func() {
				switch {
				case i%8 == 1:
					r.Version++
					errs[i] = s.Flush(ctx, r)
				case i%8 == 2:
					errs[i] = s.Create(ctx, record(r.Key, time.Hour))
				case i%8 == 3:
					errs[i] = s.Destroy(ctx, r.Key)
				case i%8 == 5:
					moved := *r
					moved.Key = "moved" + r.Key
					errs[i] = s.ChangeID(ctx, r.Key, &moved)
				case i == 4 && withError:
					moved := *r
					moved.Key = "0" // a taken key, for which SQLite refuses the statement
					errs[i] = s.ChangeID(ctx, r.Key, &moved)
				default:
					r.Data = fmt.Append(nil, i)
					errs[i] = s.Flush(ctx, r)
				}
			})
		}
		s.writes.waitFor(t, len(recs))
		<-s.writer
		all.Wait()

		for i, r := range recs {
			got, err := s.Retrieve(ctx, r.Key)
			switch {
			case i%8 == 1:
				require.ErrorIs(t, errs[i], driver.ErrConflict)
			case i%8 == 2, i == 4 && withError:
				require.ErrorIs(t, errs[i], driver.ErrExists)
			case i%8 == 3:
				require.NoError(t, errs[i])
				require.ErrorIs(t, err, driver.ErrNotFound)
			case i%8 == 5:
				require.NoError(t, errs[i])
				require.ErrorIs(t, err, driver.ErrNotFound)
				mark, err := s.Renamed(ctx, r.Key)
				require.NoError(t, err)
				require.Equal(t, "moved"+r.Key, mark.To)
			default:
				require.NoError(t, errs[i])
				require.NoError(t, err)
				require.Equal(t, fmt.Sprint(i), string(got.Data))
				require.Equal(t, r.Version, got.Version)
			}
		}
		require.NoError(t, s.Create(ctx, record("later", time.Hour)), "Create after the group")
	}
}

// While another process writes, each waiting write waits until its own context ends.
func TestGroupWaitsForOtherProcess(t *testing.T) {
	ctx := t.Context()
	db, err := sql.Open("sqlite3", filepath.Join(t.TempDir(), "app.db")+"?_busy_timeout=1&_txlock=immediate")
	require.NoError(t, err)
	defer db.Close()
	s := New(db, SQLite, Options{Exclusive: true})
	require.NoError(t, s.Create(ctx, record("k", time.Hour)))
	other, err := db.Conn(ctx)
	require.NoError(t, err)
	defer other.Close()
	_, err = other.ExecContext(ctx, "BEGIN IMMEDIATE")
	require.NoError(t, err)

	s.writer <- struct{}{}
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, 2)
	go func() { errs <- s.Create(short, record("impatient", time.Hour)) }()
	go func() { errs <- s.Create(ctx, record("patient", time.Hour)) }()
	s.writes.waitFor(t, 2)
	<-s.writer
	time.Sleep(20 * time.Millisecond)
	cancel()
	require.ErrorIs(t, <-errs, context.Canceled)
	_, err = other.ExecContext(ctx, "COMMIT")
	require.NoError(t, err)
	require.NoError(t, <-errs)
	_, err = s.Retrieve(ctx, "patient")
	require.NoError(t, err)
	_, err = s.Retrieve(ctx, "impatient")
	require.ErrorIs(t, err, driver.ErrNotFound)
}

// createInGroup creates records in one transaction, each in its own goroutine. An outcome is the
// error of a Create, or the value of its panic.
func createInGroup(t *testing.T, s *Store, keys ...string) (outcomes []any) {
	t.Helper()
	s.writer <- struct{}{}
	ended := make(chan any, len(keys))
	for _, key := range keys {
		go func() {
			defer func() {
				if p := recover(); p != nil {
					ended <- p
				}
			}()
			ended <- s.Create(t.Context(), record(key, time.Hour))
		}()
	}
	s.writes.waitFor(t, len(keys))
	<-s.writer
	for range keys {
		outcomes = append(outcomes, <-ended)
	}
	return outcomes
}

// A write of a group panics in the goroutine of its own caller, and blocks no other write.
func TestPanicInGroup(t *testing.T) {
	ctx := t.Context()
	db := sql.OpenDB(&wrapped{
		dsn: filepath.Join(t.TempDir(), "app.db") + "?_busy_timeout=1&_txlock=immediate",
		exec: func(_ context.Context, args []sqldriver.NamedValue) error {
			if len(args) > 0 && args[0].Value == "bad" {
				panic("bad statement")
			}
			return nil
		},
	})
	defer db.Close()
	s := New(db, SQLite, Options{Exclusive: true})
	require.NoError(t, s.Ping(ctx))
	require.ElementsMatch(t, []any{nil, nil, "bad statement"}, createInGroup(t, s, "good 1", "bad", "good 2"))
	short, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	require.NoError(t, s.Create(short, record("later", time.Hour)))
}

// If BeginTx panics, one caller of the group gets the panic, and its write is not executed later.
func TestPanicAtBeginOfGroup(t *testing.T) {
	ctx := t.Context()
	panics := true
	w := &wrapped{
		dsn:   filepath.Join(t.TempDir(), "app.db") + "?_busy_timeout=1&_txlock=immediate",
		begin: func() {},
	}
	db := sql.OpenDB(w)
	defer db.Close()
	s := New(db, SQLite, Options{Exclusive: true})
	require.NoError(t, s.Ping(ctx))
	w.begin = func() {
		if panics {
			panics = false
			panic("bad begin")
		}
	}
	require.ElementsMatch(t, []any{nil, nil, "bad begin"}, createInGroup(t, s, "k1", "k2", "k3"))
	n := 0
	for _, err := range s.Sessions(ctx) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 2, n)
}
