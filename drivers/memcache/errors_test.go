package memcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/canary"
	"gosession.dev/session/internal/testserver"
)

// isOutage checks that err is an outage, and that neither err nor what it wraps shows a canary,
// whatever the verb.
func isOutage(t *testing.T, err error, msg string) {
	t.Helper()
	require.Error(t, err, msg)
	require.False(t, isDefinite(err), "%s: %v", msg, err)
	require.Empty(t, canary.Shown(err, "canary", "127.0.0.1"), msg)
}

// calls makes every call of a store that reaches a server, with a distant deadline, and returns the
// errors.
func calls(t *testing.T, s *Store) map[string]error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	versioned, renamed, subject := record("k", time.Hour), record("new", time.Hour), record("k2", time.Hour)
	versioned.Version, renamed.Version, subject.Subject = 1, 1, "canary"
	_, retrieve := s.Retrieve(ctx, "k")
	_, rename := s.Renamed(ctx, "k")
	_, page := s.live(ctx, []string{"k", "l", "m"})
	all := map[string]error{
		"Create": s.Create(ctx, record("k", time.Hour)), "Create of a subject": s.Create(ctx, subject),
		"Retrieve": retrieve, "Flush": s.Flush(ctx, versioned), "Touch": s.Touch(ctx, "k", time.Now().Add(time.Hour)),
		"ChangeID": s.ChangeID(ctx, "k", renamed), "Destroy": s.Destroy(ctx, "k"), "DestroySubject": s.DestroySubject(ctx, "canary"),
		"Renamed": rename, "page": page, "Ping": s.Ping(ctx),
	}
	if !s.made() || s.servers != nil {
		for _, err := range s.Sessions(ctx) {
			all["Sessions"] = err
		}
	}
	return all
}

// byEachClient returns a store by DSN, and one on an application's client.
func byEachClient(t *testing.T, addr, params string) map[string]*Store {
	client := memcache.New(addr)
	client.Timeout = time.Minute
	t.Cleanup(func() { _ = client.Close() })
	return map[string]*Store{
		"by DSN":        open(t, addr+params),
		"with a client": New(client, Options{Servers: newServers([]net.Addr{address{"tcp", addr}})}),
	}
}

// Errors do not quote answers of a server, which may contain a session's data.
func TestErrorsQuoteNoAnswer(t *testing.T) {
	for _, answer := range []string{
		"canary\r\n", "\r\n", "\n", "canary\n", "CANARY \x00\r\n", "ERROR canary\r\n", "ERROR\r\n",
		"SERVER_ERROR canary\r\n", "CLIENT_ERROR canary\r\n", "CLIENT_ERROR unauthenticated canary\r\n",
		"SERVER_ERROR out of memory storing object canary\r\n",
		"VALUE canary\r\n", "VALUE canary \r\n", "VALUE  \r\n", "VALUE sess:k canary 7 1\r\n", "VALUE sess:k 0 canary 1\r\n",
		"VALUE sess:k 0 1 canary\r\nx\r\nEND\r\n", "VALUE sess:k 0 -1 1\r\n", "VALUE sess:k 0 99999999999 1\r\n",
		"VALUE sess:k 0 6 1 canary\r\ncanary\r\nEND\r\n", "VALUE sess:k 0 1 1\r\ncanary\r\nEND\r\n",
		"VALUE sess:canary 0 1 1\r\nx\r\nEND\r\n", "VALUE sess:k 4294967296 6 1\r\ncanary\r\nEND\r\n",
		"END\r\ncanary\r\n", "STORED\r\ncanary\r\n", "NOT_STORED\r\nNOT_STORED\r\n", "EXISTS\r\ncanary", "HD canary\r\n", "EN\r\n",
		strings.Repeat("canary ", 2000) + "\r\n", strings.Repeat("canary ", 20_000),
	} {
		fake := newFakeServer(t, func() func(string, []byte) string {
			return func(string, []byte) string { return answer }
		})
		for by, s := range byEachClient(t, fake.addr, "?timeout=150ms") {
			if s.client != nil {
				s.client.Timeout = 150 * time.Millisecond
			}
			s.timeout = 150 * time.Millisecond
			for name, err := range calls(t, s) {
				msg := fmt.Sprintf("%.30q %s, %s", answer, name, by)
				if makesSense(answer, name, s) && err == nil {
					continue
				}
				if !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrExists) && !errors.Is(err, driver.ErrConflict) {
					isOutage(t, err, msg)
					continue
				}
				require.True(t, makesSense(answer, name, s), "%s: %v", msg, err)
			}
		}
	}
}

// makesSense reports whether the answer is valid for one of the call's commands. Gomemcache ignores
// bytes that follow an answer.
func makesSense(answer, name string, s *Store) bool {
	return s.client != nil && (strings.HasPrefix(answer, "END\r\n") || strings.HasPrefix(answer, "STORED\r\n") ||
		strings.HasPrefix(answer, "NOT_STORED\r\n") || strings.HasPrefix(answer, "EXISTS\r\n"))
}

// Errors of the network are reported without the names and addresses of servers, which are part of
// the DSN.
func TestErrorsNameNoServer(t *testing.T) {
	canary := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	syscallError := func(e syscall.Errno) error { return fmt.Errorf("canary: %w", e) }
	op := func(op string, err error) error {
		return &net.OpError{Op: op, Net: "tcp", Source: canary, Addr: canary, Err: err}
	}
	for want, err := range map[string]error{
		"dial: host not found":                                      op("dial", &net.DNSError{Err: "no such host", Name: "canary", Server: "canary"}),
		"dial: context deadline exceeded":                           op("dial", &net.DNSError{Err: "canary", Name: "canary", IsTimeout: true}),
		"dial: connection refused":                                  op("dial", syscallError(syscall.ECONNREFUSED)),
		"read: connection reset by peer":                            op("read", syscallError(syscall.ECONNRESET)),
		"dial: operation not supported":                             op("dial", syscallError(syscall.ENOTSUP)),
		"dial: the connection failed":                               op("dial", &net.AddrError{Err: "canary", Addr: "canary"}),
		"read: context canceled":                                    op("read", fmt.Errorf("canary %w", context.Canceled)),
		"the connection failed":                                     fmt.Errorf("x509: certificate is valid for canary, not 127.0.0.1"),
		"the server gave an unexpected answer or reported an error": fmt.Errorf("memcache: unexpected response line: canary"),
		"the server closed the connection":                          fmt.Errorf("canary %w", io.EOF),
	} {
		s := newStore(nil, 0, Options{})
		explained := s.explain(err, "")
		require.EqualError(t, explained, "memcached: "+want)
		isOutage(t, explained, want)
		require.EqualError(t, s.explain(err, "server 2 of 3"), "memcached, server 2 of 3: "+want)
		require.Equal(t, wasClosed(err), wasClosed(explained))
		for _, target := range []error{io.EOF, context.Canceled, syscall.ECONNREFUSED, syscall.ECONNRESET} {
			require.Equal(t, errors.Is(err, target), errors.Is(explained, target), want)
		}
	}
}

// The error of one of several servers contains its place in the DSN. A timeout is a net.Error.
func TestErrorsTellTheServer(t *testing.T) {
	good := testserver.StartMemcached(t).Addr
	silent, _, _ := strings.Cut(dead(t), "?")
	for name, tt := range map[string]struct {
		server  string
		want    string
		timeout bool
	}{
		"no listener":    {"127.0.0.1:1", "memcached, server 2 of 2: dial: connection refused", false},
		"no such socket": {"/canary.sock", "memcached, server 2 of 2: dial: no such file or directory", false},
		"no such host":   {"canary.invalid:1", "memcached, server 2 of 2: dial: host not found", false},
		"no answer":      {silent, "memcached, server 2 of 2: read: i/o timeout", true},
		"not memcached":  {newFakeServer(t, func() func(string, []byte) string { return func(string, []byte) string { return "canary\r\n" } }).addr, "memcached, server 2 of 2: the server gave an unexpected answer or reported an error", false},
		"closes at once": {newClosingServer(t), "memcached, server 2 of 2: the server closed the connection", false},
	} {
		s := open(t, good+","+tt.server+"?timeout=2s")
		addr := s.addrs()[1]
		key := "k"
		for !s.picks(addr, s.recordKey(key)) {
			key += "k"
		}
		_, err := s.Retrieve(t.Context(), key)
		listing := error(nil)
		for _, err := range s.Sessions(t.Context()) {
			listing = err
		}
		for _, err := range []error{err, s.Ping(t.Context())} {
			isOutage(t, err, name)
			if name == "no such host" {
				continue // the machine may have no resolver
			}
			require.EqualError(t, err, tt.want, name)
			var network net.Error
			require.Equal(t, tt.timeout, errors.As(err, &network) && network.Timeout(), name)
		}
		require.ErrorContains(t, listing, "memcached, server 2 of 2: ", name)
		isOutage(t, listing, name)
	}

	s := open(t, good+","+silent+testserver.Patient)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err := s.Ping(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "memcached, server 2 of 2: context deadline exceeded", "after the caller's deadline")
}

// newClosingServer starts a server that closes each connection once it has received a byte.
func newClosingServer(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 1)
			_, _ = conn.Read(buf)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// If the server's limit is below max_item_size, an item between the two is ErrTooLarge, and the
// stored record stays.
func TestServerLimitBelowMaxItemSize(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMemcached(t, "-I", "32k", "-o", "slab_chunk_max=16384")
	for by, s := range byEachClient(t, m.Addr, "") {
		r := record("k", time.Hour)
		require.NoError(t, s.Create(ctx, r))
		big := record("big", time.Hour)
		big.Data = make([]byte, 100_000)
		require.ErrorIs(t, s.Create(ctx, big), driver.ErrTooLarge, by)
		r, err := s.Retrieve(ctx, "k")
		require.NoError(t, err)
		flushed, renamed := *r, *r
		flushed.Data, renamed.Data, renamed.Key = big.Data, big.Data, "new"
		require.ErrorIs(t, s.Flush(ctx, &flushed), driver.ErrTooLarge, by)
		err = s.ChangeID(ctx, "k", &renamed)
		require.ErrorIs(t, err, driver.ErrTooLarge, by)
		require.EqualError(t, err, "memcached: the session is too large: the server's option -I is below max_item_size")
		got, err := s.Retrieve(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, r, got)
		require.NoError(t, s.Destroy(ctx, "k"))
	}
}
