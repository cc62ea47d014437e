package memcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// manyConnections makes the store keep at least n idle connections.
func manyConnections(t *testing.T, s *Store, n int) {
	t.Helper()
	p := s.pools[s.addrs()[0]]
	var conns []*conn
	for range n {
		c, err := p.dial(t.Context())
		require.NoError(t, err)
		conns = append(conns, c)
	}
	for _, c := range conns {
		p.put(c, true)
	}
	require.GreaterOrEqual(t, len(p.idle), n)
}

// atOnce makes n concurrent calls and returns the number of failures and the last error.
func atOnce(n int, call func(i int) error) (failed int64, last error) {
	var wg sync.WaitGroup
	var count atomic.Int64
	var mu sync.Mutex
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-begin
			if err := call(i); err != nil {
				count.Add(1)
				mu.Lock()
				defer mu.Unlock()
				last = err
			}
		})
	}
	close(begin)
	wg.Wait()
	return count.Load(), last
}

// The first writes after a restart of the server succeed: the store sends no command on a connection
// that the server has closed.
func TestWritesAfterRestart(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMemcached(t)
	s := open(t, m.Addr)
	for round := range 3 {
		manyConnections(t, s, 64)
		m.Stop()
		m.Start()
		failed, err := atOnce(64, func(i int) error { return s.Create(ctx, record(fmt.Sprint("k", round, "-", i), time.Hour)) })
		require.Zero(t, failed, "of 64 calls failed, the last with %v", err)
	}
	failed, err := atOnce(64, func(i int) error {
		r, err := s.Retrieve(ctx, fmt.Sprint("k2-", i))
		if err != nil {
			return err
		}
		return s.Flush(ctx, r)
	})
	require.Zero(t, failed, "of 64 calls failed, the last with %v", err)
	m.Stop()
	require.Error(t, s.Create(ctx, record("k", time.Hour)), "Create while the server is down")
	m.Start()
	require.NoError(t, s.Create(ctx, record("k", time.Hour)))
}

// Writes succeed after the server has closed idle connections.
func TestWritesAfterIdleTimeout(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: memcached counts idle time in seconds")
	}
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t, "-o", "idle_timeout=2").Addr)
	for round := range 2 {
		manyConnections(t, s, 64)
		waitUntilClosed(t, s)
		failed, err := atOnce(64, func(i int) error { return s.Create(ctx, record(fmt.Sprint("k", round, "-", i), time.Hour)) })
		require.Zero(t, failed, "of 64 calls failed, the last with %v", err)
	}
}

// waitUntilClosed waits until the server has closed all idle connections.
func waitUntilClosed(t *testing.T, s *Store) {
	t.Helper()
	for _, c := range s.pools[s.addrs()[0]].idle {
		require.Eventually(t, func() bool { return !c.probe.quiet() }, time.Minute, 50*time.Millisecond)
	}
}

// After a restart of the server, the first write through an application's client fails, and its
// outcome is not known. The store then closes all idle connections, so that no other call fails.
func TestClientAfterRestart(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMemcached(t)
	s := byEachClient(t, m.Addr, "")["with a client"]
	s.client.MaxIdleConns = 64
	use := func() (int64, error) {
		return atOnce(64, func(int) error {
			_, err := s.Retrieve(ctx, "k")
			if errors.Is(err, driver.ErrNotFound) {
				return nil
			}
			return err
		})
	}
	for range 10 {
		_, err := use()
		require.NoError(t, err)
	}
	m.Stop()
	m.Start()
	err := s.Create(ctx, record("k", time.Hour))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, s.Create(ctx, record("k", time.Hour)))
	m.Stop()
	m.Start()
	_, err = s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve after a restart is retried")
	failed, err := use()
	require.Zero(t, failed, "%v", err)
}

// If an answer is followed by a second one, the connection is not used again: the second answer is
// not read as the answer to the next command.
func TestAnswerTwice(t *testing.T) {
	ctx := t.Context()
	server := testserver.StartMemcached(t).Addr
	for name, pause := range map[string]bool{"in one packet": false, "later": true} {
		t.Run(name, func(t *testing.T) {
			var twice atomic.Bool
			returned, arrived := make(chan struct{}), make(chan struct{})
			fake := newFakeServerConn(t, func(conn net.Conn, _ string, raw []byte) {
				answer, err := execute(server, raw)
				if err != nil {
					return
				}
				if twice.Swap(false) {
					if pause {
						_, _ = conn.Write(answer)
						<-returned
						defer func() { arrived <- struct{}{} }()
					} else {
						answer = append(answer, answer...)
					}
				}
				_, _ = conn.Write(answer)
			})
			s := open(t, fake.addr+"?prefix="+newPrefix())
			// check checks the error of a call that was answered twice. If the second answer came
			// later, the call has succeeded.
			check := func(err error) {
				t.Helper()
				if pause {
					require.True(t, isDefinite(err), "%v", err)
					returned <- struct{}{}
					<-arrived
				} else {
					require.ErrorIs(t, err, errOtherKey)
				}
			}
			require.NoError(t, s.Create(ctx, record("live", time.Hour)))
			twice.Store(true)
			_, err := s.Retrieve(ctx, "absent")
			check(err)
			r, err := s.Retrieve(ctx, "live")
			require.NoError(t, err, "Retrieve after END came twice")

			twice.Store(true)
			check(s.Create(ctx, record("other", time.Hour)))
			r.Version ^= 1
			require.ErrorIs(t, s.Flush(ctx, r), driver.ErrConflict, "Flush after STORED came twice")

			twice.Store(true)
			_, err = s.Retrieve(ctx, "live")
			check(err)
			_, err = s.Retrieve(ctx, "absent")
			require.ErrorIs(t, err, driver.ErrNotFound)
		})
	}
}

// The late answer to an abandoned call is not read as the answer to the next call.
func TestLateAnswerToAbandonedCall(t *testing.T) {
	server := testserver.StartMemcached(t).Addr
	var late atomic.Bool
	abandoned := make(chan struct{})
	fake := newFakeServerConn(t, func(conn net.Conn, _ string, raw []byte) {
		answer, _ := execute(server, raw)
		if late.Swap(false) {
			<-abandoned
		}
		_, _ = conn.Write(answer)
	})
	s := open(t, fake.addr)
	require.NoError(t, s.Create(t.Context(), record("k", time.Hour)))
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		late.Store(true)
		_, err := s.Retrieve(ctx, "absent")
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		if !late.Swap(false) { // the command has arrived
			abandoned <- struct{}{}
		}
		_, err = s.Retrieve(t.Context(), "k")
		require.NoError(t, err)
	}
}

// The store closes connections that were idle for maxIdleTime, because a firewall on the way may
// have dropped them, and keeps at most max_idle_conns.
func TestIdleConnections(t *testing.T) {
	ctx := t.Context()
	fake := newFakeServer(t, func() func(string, []byte) string {
		return func(string, []byte) string { return "END\r\n" }
	})
	s := open(t, fake.addr+"?max_idle_conns=5")
	p := s.pools[s.addrs()[0]]
	retrieve := func() {
		t.Helper()
		_, err := s.Retrieve(ctx, "k")
		require.ErrorIs(t, err, driver.ErrNotFound)
	}
	for range 3 {
		retrieve()
	}
	require.Equal(t, int64(1), fake.connections.Load())
	p.idle[0].used = time.Now().Add(-maxIdleTime)
	retrieve()
	require.Equal(t, int64(2), fake.connections.Load())

	manyConnections(t, s, 4) // in addition to the idle one
	p.idle[0].used = time.Now().Add(-maxIdleTime)
	p.idle[1].used = time.Now().Add(-maxIdleTime)
	retrieve()
	require.Len(t, p.idle, 3, "the most recently used connections stay")

	_, _ = atOnce(20, func(int) error { _, err := s.Retrieve(ctx, "k"); return err })
	require.LessOrEqual(t, len(p.idle), 5)
	require.NoError(t, s.Close())
	require.Empty(t, p.idle)
}
