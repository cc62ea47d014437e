package mysql

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest/netfault"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/testserver"
)

// behindProxy returns a store of a new database, behind a proxy, which has executed each of its
// statements. The pool has one connection.
func behindProxy(t *testing.T, server testserver.MariaDB, params string) (driver.Store, *netfault.Proxy) {
	dsn := newDSN(t, server, "session_max_conns=1&"+params)
	proxy := netfault.Start(t, address(t, dsn))
	s := open(t, at(t, dsn, proxy.Addr))
	useAll(t, s, "warm-")
	return s, proxy
}

// useAll makes each write.
func useAll(t *testing.T, s driver.Store, prefix string) {
	r := record(prefix + "1")
	require.NoError(t, s.Create(t.Context(), r))
	for _, w := range writes(s, r, prefix) {
		require.NoError(t, w.call(t.Context()), w.name)
	}
}

type namedCall struct {
	name string
	call func(context.Context) error
}

// writes returns calls that write, to be made in this order. r is stored.
func writes(s driver.Store, r *driver.Record, prefix string) []namedCall {
	created, old := record(prefix+"created"), r.Key
	return []namedCall{
		{"Create", func(ctx context.Context) error { return s.Create(ctx, created) }},
		{"Flush", func(ctx context.Context) error { return s.Flush(ctx, r) }},
		{"Touch", func(ctx context.Context) error {
			return s.(driver.Toucher).Touch(ctx, r.Key, r.Expires.Add(time.Minute))
		}},
		{"ChangeID", func(ctx context.Context) error {
			moved := *r
			moved.Key = prefix + "moved"
			err := s.ChangeID(ctx, old, &moved)
			*r = moved
			return err
		}},
		{"Destroy", func(ctx context.Context) error { return s.Destroy(ctx, r.Key) }},
	}
}

// A write whose answer is lost succeeds, whichever of its answers it is. Only for Destroy, which
// leaves nothing to recognize, is the outcome unknown.
func TestLostAnswer(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	for _, params := range []string{"", "interpolateParams=true"} {
		s, proxy := behindProxy(t, server, params)
		for lost := range 5 {
			prefix := fmt.Sprint("lost", lost, "-")
			r := record(prefix + "1")
			require.NoError(t, s.Create(t.Context(), r))
			for _, w := range writes(s, r, prefix) {
				proxy.ResetOnce(lost)
				err := w.call(t.Context())
				proxy.Heal()
				if w.name == "Destroy" && err != nil {
					require.NotErrorIs(t, err, driver.ErrNotFound)
					require.ErrorContains(t, err, "the connection was lost")
					continue
				}
				require.NoError(t, err, "%s whose answer %d is lost", w.name, lost+1)
			}
			_, err := s.Retrieve(t.Context(), prefix+"created")
			require.NoError(t, err)
			_, err = s.Retrieve(t.Context(), r.Key)
			require.ErrorIs(t, err, driver.ErrNotFound)
		}
	}
}

// A Create that first removes an expired record succeeds, whichever of its answers is lost.
func TestLostAnswerOverExpiredRecord(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	for _, params := range []string{"", "interpolateParams=true"} {
		s, proxy := behindProxy(t, server, params)
		for lost := range 8 {
			r := record(fmt.Sprint("expired", lost))
			r.Expires = time.Now().Add(2 * time.Millisecond)
			require.NoError(t, s.Create(t.Context(), r))
			time.Sleep(4 * time.Millisecond)
			proxy.ResetOnce(lost)
			again := record(r.Key)
			err := s.Create(t.Context(), again)
			proxy.Heal()
			require.NoError(t, err, "Create without answer %d, with %q", lost, params)
			got, err := s.Retrieve(t.Context(), r.Key)
			require.NoError(t, err)
			require.Equal(t, again.Version, got.Version)
		}
	}
}

// If the server hangs at any point of a write, such as at COMMIT, the call returns when its context
// is done. An application's own connection then ends with its readTimeout, and the server rolls back.
func TestHangsAtCommit(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	upstream := address(t, server.DSN("db", ""))
	addr, hangs := swallower(t, upstream, "COMMIT")
	dsn := newDSN(t, server, "session_max_conns=1")
	byContext := func(ctx context.Context, within time.Duration, do func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return do(ctx)
	}
	for name, tt := range map[string]struct {
		store driver.Store
		limit func(context.Context, time.Duration, func(context.Context) error) error
	}{
		"by DSN":                       {open(t, at(t, dsn, addr)), byContext},
		"by DSN, as package session":   {open(t, at(t, newDSN(t, server, "session_max_conns=1"), addr)), bounded.Call},
		"go-sql-driver sets deadlines": {open(t, at(t, newDSN(t, server, "readTimeout=5s"), addr)), bounded.Call},
		"own database":                 {own(t, at(t, newDSN(t, server, "readTimeout=5s"), addr)), byContext},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.store
			hangs.Store(false)
			r := record("k")
			require.NoError(t, s.Create(t.Context(), r))
			moved := *r
			moved.Key = "l"
			hangs.Store(true)
			begin := time.Now()
			err := tt.limit(t.Context(), 300*time.Millisecond, func(ctx context.Context) error { return s.ChangeID(ctx, "k", &moved) })
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Less(t, time.Since(begin), 30*time.Second)
			hangs.Store(false)
			require.Eventually(t, func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				return s.Create(ctx, record("after")) == nil
			}, time.Minute, 10*time.Millisecond, "Create after the server hung")
		})
	}
}

// If the server hangs when a new connection prepares a statement of a transaction, the call returns
// when its context is done.
func TestHangsAtPrepare(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	addr, hangs := swallower(t, address(t, server.DSN("db", "")), "UPDATE `sessions` SET")
	for name, openStore := range map[string]func(testing.TB, string) driver.Store{
		"by DSN":       open,
		"own database": func(t testing.TB, dsn string) driver.Store { return own(t, dsn) },
	} {
		t.Run(name, func(t *testing.T) {
			hangs.Store(false)
			dsn := newDSN(t, server, "")
			s := openStore(t, at(t, dsn, addr))
			r := record("k")
			require.NoError(t, s.Create(t.Context(), r))
			require.NoError(t, s.Create(t.Context(), record("locked")))
			tx, err := direct(t, dsn).Begin() // so that a call occupies the connection that has prepared all
			require.NoError(t, err)
			_, err = tx.Exec("UPDATE sessions SET expires = expires + 1 WHERE id = 'locked'")
			require.NoError(t, err)
			touched := make(chan error, 1)
			go func() {
				touched <- s.(driver.Toucher).Touch(context.Background(), "locked", r.Expires.Add(time.Minute))
			}()
			time.Sleep(50 * time.Millisecond)
			hangs.Store(true)
			renamed := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
				defer cancel()
				moved := *r
				moved.Key = "l"
				renamed <- s.ChangeID(ctx, "k", &moved)
			}()
			select {
			case err := <-renamed:
				require.ErrorIs(t, err, context.DeadlineExceeded)
			case <-time.After(10 * time.Second):
				t.Error("ChangeID has not returned 10 seconds after its context ended")
			}
			require.NoError(t, tx.Commit())
			require.NoError(t, <-touched)
		})
	}
}

// Close does not wait for a call that waits for a server that hangs.
func TestCloseWhileServerHangs(t *testing.T) {
	server := testserver.StartMariaDB(t, volatile)
	s, proxy := behindProxy(t, server, "")
	proxy.Swallow()
	ctx, cancel := context.WithCancel(t.Context())
	retrieved := make(chan error, 1)
	go func() {
		_, err := s.Retrieve(ctx, "k")
		retrieved <- err
	}()
	time.Sleep(100 * time.Millisecond)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Error("Close has not returned after 10 seconds")
	}
	cancel()
	require.ErrorIs(t, <-retrieved, driver.ErrClosed)
}

// swallower returns the address of a proxy that hangs a connection when it sends a text, while the
// flag is set.
func swallower(t *testing.T, upstream, text string) (string, *atomic.Bool) {
	var hangs atomic.Bool
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", upstream)
			if err != nil {
				client.Close()
				continue
			}
			t.Cleanup(func() { client.Close(); server.Close() })
			go func() { io.Copy(client, server); client.Close() }()
			go func() {
				defer server.Close()
				buf := make([]byte, 1<<16)
				for {
					n, err := client.Read(buf)
					if err != nil {
						return
					}
					if hangs.Load() && bytes.Contains(buf[:n], []byte(text)) {
						io.Copy(io.Discard, client)
						return
					}
					if _, err := server.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), &hangs
}

// The pool's connections are dead after a restart of the server, and no call fails for that.
func TestCallsAfterRestart(t *testing.T) {
	const calls = 64
	server := testserver.StartMariaDB(t)
	if server.Server == nil {
		t.Skip("the test needs a server that it may restart")
	}
	for _, params := range []string{"", "&interpolateParams=true"} {
		s := open(t, newDSN(t, server, "session_max_conns=40"+params))
		atOnce := func(round int) {
			t.Helper()
			var wg sync.WaitGroup
			for i := range calls {
				wg.Go(func() {
					r := record(fmt.Sprint(round, "-", i))
					if err := s.Create(t.Context(), r); err != nil {
						t.Errorf("round %d: Create = %v", round, err)
						return
					}
					for _, w := range writes(s, r, r.Key) {
						if err := w.call(t.Context()); err != nil {
							t.Errorf("round %d: %s = %v", round, w.name, err)
						}
					}
				})
			}
			wg.Wait()
		}
		for round := range 2 {
			atOnce(round)
			server.Stop()
			server.Start()
		}
		atOnce(2)
	}
}

// Killing the server loses no write that was acknowledged, with the settings of the server's defaults.
func TestKilledServerLosesNothing(t *testing.T) {
	server := testserver.StartMariaDB(t)
	if server.Server == nil {
		t.Skip("the test needs a server that it may kill")
	}
	s := open(t, newDSN(t, server, ""))
	require.NoError(t, s.(driver.Pinger).Ping(t.Context()))
	var mu sync.Mutex
	acknowledged := map[string]uint64{} // versions by key
	for round := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					r := record(fmt.Sprint(round, "-", worker, "-", i))
					if s.Create(ctx, r) != nil {
						return
					}
					mu.Lock()
					acknowledged[r.Key] = r.Version
					mu.Unlock()
					if s.Flush(ctx, r) == nil {
						mu.Lock()
						acknowledged[r.Key] = r.Version
						mu.Unlock()
					} else {
						mu.Lock()
						delete(acknowledged, r.Key) // either version may be there
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Second)
		server.Stop()
		cancel()
		wg.Wait()
		server.Start()
	}
	lost := 0
	for key, version := range acknowledged {
		got, err := s.Retrieve(t.Context(), key)
		if err != nil || got.Version != version {
			lost++
		}
	}
	t.Logf("%d acknowledged records, %d lost", len(acknowledged), lost)
	require.NotEmpty(t, acknowledged)
	require.Zero(t, lost, "of %d acknowledged records", len(acknowledged))
}
