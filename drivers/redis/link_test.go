package redis

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest/netfault"
	"gosession.dev/session/internal/testserver"
)

// silent is a server that accepts connections and never answers.
type silent struct {
	addr           string
	accepted, open atomic.Int64
}

func startSilent(t testing.TB) *silent {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	s := &silent{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			s.open.Add(1)
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
				s.open.Add(-1)
			}()
		}
	}()
	return s
}

// Open connects to nothing. All calls wait for one attempt to connect, each until its context is
// done, and the context of one call does not end the attempt for the others.
func TestCallsShareAnAttempt(t *testing.T) {
	server := startSilent(t)
	s := open(t, "redis://"+server.addr+"?timeout=1s")
	require.Zero(t, server.accepted.Load())
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	begin := time.Now()
	_, err := s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(begin), 500*time.Millisecond)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := s.Retrieve(t.Context(), "k")
			if err == nil || err.Error() != "redis: the server did not answer in time (i/o timeout)" {
				t.Errorf("Retrieve from a server that does not answer = %v", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, server.accepted.Load())
}

// Close ends an attempt to connect, and leaves neither a goroutine nor a connection.
func TestCloseWhileConnecting(t *testing.T) {
	server := startSilent(t)
	for range 20 {
		s, err := Driver{}.Open("redis://" + server.addr)
		require.NoError(t, err)
		done := make(chan error)
		go func() {
			_, err := s.Retrieve(t.Context(), "k")
			done <- err
		}()
		time.Sleep(time.Duration(prefixes.Add(1)%5) * time.Millisecond)
		begin := time.Now()
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-done, driver.ErrClosed)
		require.Less(t, time.Since(begin), 3*time.Second)
	}
	require.Eventually(t, func() bool { return server.open.Load() == 0 }, 5*time.Second, time.Millisecond)
}

// A call after the server has closed an idle connection connects again, and does not fail.
func TestIdleConnectionIsClosed(t *testing.T) {
	server := testserver.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, dsnOf(server.Addr, "a:"))
	for round := range 5 {
		r := create(t, s, "k"+string(rune('a'+round)))
		if round%2 == 0 {
			server.Do(t, "CLIENT", "KILL", "TYPE", "normal")
		} else {
			server.Stop()
			server.Start()
		}
		require.Eventually(t, func() bool { return s.link.ready.Load() == nil }, 10*time.Second, time.Millisecond)
		require.NoError(t, s.Destroy(t.Context(), r.Key)) // which is not sent twice
	}
}

// A server that falls silent is given up after the timeout, and the store connects again.
func TestSilentConnectionIsGivenUp(t *testing.T) {
	server := testserver.StartRedis(t)
	proxy := netfault.Start(t, server.Addr)
	s := open(t, dsnOf(proxy.Addr, "a:")+"&timeout=500ms")
	create(t, s, "k")
	proxy.Swallow()
	begin := time.Now()
	_, err := s.Retrieve(t.Context(), "k") // without a deadline
	require.ErrorContains(t, err, "redis: ")
	require.Less(t, time.Since(begin), 10*time.Second)
	proxy.Heal()
	require.Eventually(t, func() bool { _, err := s.Retrieve(t.Context(), "k"); return err == nil }, 10*time.Second, 10*time.Millisecond)
}

// A record of another key is an outage, and the connection is not used again.
func TestAnswerAboutAnotherKey(t *testing.T) {
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	create(t, s, "k")
	before := s.link.conns.lost()
	server.Do(t, "RENAME", "a:k", "a:other")
	_, err := s.Retrieve(t.Context(), "other")
	require.ErrorIs(t, err, errOtherKey)
	for _, answer := range []error{driver.ErrNotFound, driver.ErrCorrupt} {
		require.NotErrorIs(t, err, answer)
	}
	require.Equal(t, before+1, s.link.conns.lost())
	_, err = s.Retrieve(t.Context(), "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	for key, err := range s.Sessions(t.Context()) {
		t.Errorf("Sessions yields %q, %v", key, err)
	}
}

// A store on an application's client leaves it open.
func TestOwnClient(t *testing.T) {
	server := testserver.StartRedis(t)
	client := newClient(t, "redis://"+server.Addr)
	s := New(client, Options{Prefix: "a:"})
	create(t, s, "k")
	require.NoError(t, s.Close())
	_, err := s.Retrieve(t.Context(), "k")
	require.ErrorIs(t, err, driver.ErrClosed)
	s = New(client, Options{Prefix: "a:"})
	_, err = s.Retrieve(t.Context(), "k")
	require.NoError(t, err)
	client.Close()
	_, err = s.Retrieve(t.Context(), "k")
	require.EqualError(t, err, "redis: the connection was closed")
	require.NotErrorIs(t, err, driver.ErrNotFound)
}
