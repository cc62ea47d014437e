package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/postgres"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/testserver"
)

// restartable returns a place whose server the test may kill.
func restartable(t testing.TB, settings ...string) place {
	t.Helper()
	server := testserver.StartPostgres(t, settings...)
	if server.Server == nil {
		t.Skip("a server that the test has not started can't be killed")
	}
	return place{server, server.NewDatabase(t), ""}
}

// A restart of the server breaks all connections of the pool and loses all prepared statements. No
// call fails after it.
func TestCallsAfterRestart(t *testing.T) {
	ctx := t.Context()
	p := restartable(t, "fsync=off")
	s := open(t, p.dsn(newTable()))
	pool := postgres.NewPool(ownPool(t, p.DSN(p.database, "pool_max_conns=16")), postgres.Options{Table: newTable()})
	for round := range 2 {
		for name, s := range map[string]*postgres.Store{"driver": s, "pool": pool} {
			failed, err := atOnce(32, func(i int) error {
				r := record(fmt.Sprint(round, "-", i), time.Hour)
				if err := s.Create(ctx, r); err != nil {
					return err
				}
				return s.Flush(ctx, r)
			})
			require.Zero(t, failed, "%s: of 32 calls failed, one with %v", name, err)
		}
		p.Stop()
		require.Error(t, s.Destroy(ctx, "0-0"), "Destroy while the server is down")
		p.Start()
		failed, err := atOnce(32, func(i int) error { return s.Destroy(ctx, fmt.Sprint(round, "-", i)) })
		require.Zero(t, failed, "of 32 calls of Destroy failed, one with %v", err)
		failed, err = atOnce(32, func(i int) error {
			_, err := pool.Retrieve(ctx, fmt.Sprint(round, "-", i))
			return err
		})
		require.Zero(t, failed, "pool: of 32 calls of Retrieve failed, one with %v", err)
	}
}

// The server is killed under load, with its children. It loses no write that it has acknowledged.
func TestKilledUnderLoad(t *testing.T) {
	const writers, kills = 8, 3
	p := restartable(t) // with fsync
	s := open(t, p.dsn(newTable()))
	require.NoError(t, s.Ping(t.Context()))
	var over atomic.Bool
	var written [writers][]*driver.Record
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for n := 0; !over.Load(); n++ {
				r := record(fmt.Sprint(w, "-", n), time.Hour)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				if err := s.Create(ctx, r); err == nil {
					if r.Data = fmt.Appendf(nil, `{"n":%d}`, n); s.Flush(ctx, r) != nil {
						r.Data = nil // not known
					}
					written[w] = append(written[w], r)
				}
				cancel()
			}
		})
	}
	for range kills {
		time.Sleep(300 * time.Millisecond)
		p.Stop()
		p.Start()
	}
	time.Sleep(100 * time.Millisecond)
	over.Store(true)
	running.Wait()
	total := 0
	for _, records := range written {
		total += len(records)
		for _, r := range records {
			got, err := s.Retrieve(t.Context(), r.Key)
			require.NoError(t, err, "an acknowledged Create")
			if r.Data != nil {
				require.Equal(t, string(r.Data), string(got.Data), "an acknowledged Flush")
				require.Equal(t, r.Version, got.Version)
			}
		}
	}
	t.Logf("%d sessions, none lost", total)
	require.Greater(t, total, 100, "sessions created")
}

// limits limit a call by a context.
var limits = map[string]func(context.Context, time.Duration, func(context.Context) error) error{
	"as package session does": bounded.Call,
	"by package context": func(ctx context.Context, within time.Duration, do func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return do(ctx)
	},
}

// A call that a hung server does not answer ends with its context. The store works again when the
// server does.
func TestHungServer(t *testing.T) {
	p := restartable(t, "fsync=off")
	s := open(t, p.dsn(newTable()))
	_, err := atOnce(8, func(i int) error { return s.Create(t.Context(), record(fmt.Sprint("k", i), time.Hour)) })
	require.NoError(t, err)
	p.Freeze()
	for name, limit := range limits {
		start := time.Now()
		failed, _ := atOnce(24, func(i int) error {
			err := limit(t.Context(), 500*time.Millisecond, func(ctx context.Context) error {
				return s.Flush(ctx, record(fmt.Sprint("k", i), time.Hour))
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return err
		})
		require.Equal(t, 24, failed, "calls that end with their context, %s", name)
		require.Less(t, time.Since(start), 3*time.Second, name)
	}
	p.Thaw()
	for i := range 8 {
		_, err := s.Retrieve(t.Context(), fmt.Sprint("k", i))
		require.NoError(t, err)
	}
}

// The DSN names two servers. The store uses the one that accepts writes, and finds the other one
// after a failover.
func TestFailover(t *testing.T) {
	ctx := t.Context()
	first, second := restartable(t, "fsync=off"), restartable(t, "fsync=off")
	second.Exec(t, "postgres", "CREATE DATABASE "+first.database)
	dsn := at(t, first.dsn(newTable()), first.addr(t)+","+second.addr(t))
	second.Exec(t, "postgres", "ALTER SYSTEM SET default_transaction_read_only = on")
	second.Exec(t, "postgres", "SELECT pg_reload_conf()")
	s := open(t, dsn)
	write := func(key string) error { return s.Create(ctx, record(key, time.Hour)) }
	require.NoError(t, write("a"))
	require.Equal(t, "1", first.Exec(t, first.database, "SELECT count(*) FROM "+param(t, dsn, "session_table", "")))

	// The first server accepts no more writes, and stays in reach: its connections are given up.
	second.Exec(t, "postgres", "ALTER SYSTEM RESET default_transaction_read_only")
	second.Exec(t, "postgres", "SELECT pg_reload_conf()")
	first.Exec(t, "postgres", "ALTER SYSTEM SET default_transaction_read_only = on")
	first.Exec(t, "postgres", "SELECT pg_reload_conf()")
	require.NoError(t, open(t, at(t, dsn, second.addr(t))).Ping(ctx), "the tables of the second server")
	require.Eventually(t, func() bool { return write("b") == nil }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, "1", second.Exec(t, first.database, "SELECT count(*) FROM "+param(t, dsn, "session_table", "")))

	// The first server hangs, and then it is dead.
	first.Freeze()
	fresh := open(t, dsn)
	require.NoError(t, fresh.Ping(ctx))
	first.Thaw()
	first.Stop()
	require.NoError(t, write("c"))
}

// A standby is refused, with an error that says so.
func TestStandby(t *testing.T) {
	p := restartable(t, "fsync=off")
	dsn := p.dsn(newTable())
	require.NoError(t, open(t, dsn).Ping(t.Context()))
	p.Stop()
	p.BecomeStandby(t)
	p.Start()
	err := open(t, dsn).Ping(t.Context())
	require.ErrorContains(t, err, "the server is a standby; name the primary server")
}
