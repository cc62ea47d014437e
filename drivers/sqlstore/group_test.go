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
	}, 10*time.Second, time.Millisecond)
}

// Everybody who shares a transaction gets his own outcome: those with an error, even
// one that undoes the transaction, and those without.
func TestGroup(t *testing.T) {
	ctx := t.Context()
	for _, withError := range []bool{false, true} {
		s := New(database(t), SQLite, Options{Exclusive: true})
		recs := make([]*driver.Record, 2*maxGroup)
		for i := range recs {
			recs[i] = record(fmt.Sprint(i), time.Hour)
			require.NoError(t, s.Create(ctx, recs[i]))
		}
		s.writer <- struct{}{} // somebody writes
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
					moved.Key = "0" // which is taken, so that SQLite refuses the statement
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
		require.NoError(t, s.Create(ctx, record("later", time.Hour)), "and the next writes as before")
	}
}

// While another process writes, those who wait do so for as long as they like to.
func TestGroupCannotBegin(t *testing.T) {
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

// A write that panics does so in the goroutine of its own caller, and blocks no other.
func TestPanicInGroup(t *testing.T) {
	ctx := t.Context()
	db := sql.OpenDB(&wrapped{
		dsn: filepath.Join(t.TempDir(), "app.db") + "?_busy_timeout=1&_txlock=immediate",
		exec: func(args []sqldriver.NamedValue) {
			if len(args) > 0 && args[0].Value == "bad" {
				panic("bad statement")
			}
		},
	})
	defer db.Close()
	s := New(db, SQLite, Options{Exclusive: true})
	require.NoError(t, s.Ping(ctx))
	s.writer <- struct{}{}
	keys := []string{"good 1", "bad", "good 2"}
	outcomes := make(chan any, len(keys))
	for _, key := range keys {
		go func() {
			defer func() {
				if p := recover(); p != nil {
					outcomes <- p
				}
			}()
			outcomes <- s.Create(ctx, record(key, time.Hour))
		}()
	}
	s.writes.waitFor(t, len(keys))
	<-s.writer
	require.ElementsMatch(t, []any{nil, nil, "bad statement"}, []any{<-outcomes, <-outcomes, <-outcomes})
	short, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	require.NoError(t, s.Create(short, record("later", time.Hour)))
}
