package memcache

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// fakeServer is a server whose answers the test provides.
type fakeServer struct {
	addr        string
	commands    atomic.Int64
	connections atomic.Int64
}

// newFakeServer starts a server. It calls connect for each connection, and answers that
// connection's commands with the result.
func newFakeServer(t *testing.T, connect func() (answer func(command string, raw []byte) string)) *fakeServer {
	return listen(t, func() func(net.Conn, string, []byte) {
		answer := connect()
		return func(conn net.Conn, command string, raw []byte) { _, _ = fmt.Fprint(conn, answer(command, raw)) }
	})
}

// newFakeServerConn starts a server whose answer function writes to the connection itself.
func newFakeServerConn(t *testing.T, answer func(conn net.Conn, command string, raw []byte)) *fakeServer {
	return listen(t, func() func(net.Conn, string, []byte) { return answer })
}

func listen(t *testing.T, connect func() func(conn net.Conn, command string, raw []byte)) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	fake := &fakeServer{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fake.connections.Add(1)
			go fake.serve(conn, connect())
		}
	}()
	return fake
}

func (f *fakeServer) serve(conn net.Conn, answer func(conn net.Conn, command string, raw []byte)) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		command, raw, err := readCommand(r)
		if err != nil {
			return
		}
		f.commands.Add(1)
		answer(conn, command, raw)
	}
}

// newServerOneBehind starts a server that passes commands to the given server. On each connection it
// sends the answer to the first gets twice, so that every later answer comes one command late.
func newServerOneBehind(t *testing.T, server string) *fakeServer {
	return newFakeServer(t, func() func(string, []byte) string {
		behind := ""
		return func(command string, raw []byte) string {
			answer, err := execute(server, raw)
			if err != nil {
				return ""
			}
			if behind == "" && strings.HasPrefix(command, "gets") {
				behind = string(answer)
				return behind
			}
			if behind != "" {
				answer, behind = []byte(behind), string(answer)
			}
			return string(answer)
		}
	})
}

// An answer to another command is an outage, and its connection is not used again. No session is
// read as another one.
func TestOneAnswerBehind(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMemcached(t)
	direct := open(t, m.Addr)
	for _, key := range []string{"alice", "bob"} {
		r := record(key, time.Hour)
		r.Data = []byte("data of " + key)
		require.NoError(t, direct.Create(ctx, r))
	}
	client := func(addr string) *Store {
		c := memcache.New(addr)
		c.Timeout = time.Minute
		t.Cleanup(func() { _ = c.Close() })
		servers := newServers([]net.Addr{address{"tcp", addr}})
		return New(c, Options{Servers: servers})
	}
	for name, open := range map[string]func(addr string) *Store{
		"by DSN":        func(addr string) *Store { return open(t, addr) },
		"with a client": client,
	} {
		t.Run(name, func(t *testing.T) {
			fake := newServerOneBehind(t, m.Addr)
			s := open(fake.addr)
			for round := range int64(3) {
				got, err := s.Retrieve(ctx, "alice")
				require.NoError(t, err)
				require.Equal(t, "data of alice", string(got.Data))
				_, err = s.Retrieve(ctx, "bob")
				require.ErrorIs(t, err, errOtherKey)
				require.False(t, isDefinite(err))
				require.Equal(t, round+1, fake.connections.Load())
			}
			_, err := s.Retrieve(ctx, "alice")
			require.NoError(t, err)
			_, err = s.live(ctx, []string{"bob"})
			require.ErrorIs(t, err, errOtherKey, "a page of a listing")
			_, err = s.live(ctx, []string{"bob"})
			require.NoError(t, err, "a page of a listing, on a new connection")
		})
	}
}

// A retry loop ends after a round in which nothing has changed. This server refuses every
// conditional write, whatever item it has.
func TestLoopsGiveUp(t *testing.T) {
	item := func(kind kind, value []byte) string {
		return fmt.Sprintf("VALUE %%s %d %d 7\r\n%s\r\nEND\r\n", kind, len(value), value)
	}
	live := record("k", time.Hour)
	live.Data = []byte("x")
	envelope := string(driver.AppendEnvelope(nil, live))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	subject := record("k", time.Hour)
	subject.Subject = "ada"
	for name, tt := range map[string]struct {
		found string // the answer to every gets
		call  func(s *Store) error
	}{
		"Create without an item":    {"END\r\n", func(s *Store) error { return s.Create(ctx, record("k", time.Hour)) }},
		"Create over an ended item": {item(isEnded, nil), func(s *Store) error { return s.Create(ctx, record("k", time.Hour)) }},
		"Create of a subject":       {"END\r\n", func(s *Store) error { return s.Create(ctx, subject) }},
		"Touch":                     {item(isRecord, []byte(envelope)), func(s *Store) error { return s.Touch(ctx, "k", time.Now().Add(time.Hour)) }},
		"Destroy":                   {item(isRecord, []byte(envelope)), func(s *Store) error { return s.Destroy(ctx, "k") }},
		"DestroySubject":            {item(isRecord, []byte(`{"n":1}`)), func(s *Store) error { return s.DestroySubject(ctx, "ada") }},
		"ChangeID": {"END\r\n", func(s *Store) error {
			r := record("new", time.Hour)
			r.Version = 1
			return s.ChangeID(ctx, "k", r)
		}},
	} {
		fake := newFakeServer(t, func() func(string, []byte) string {
			return func(command string, _ []byte) string {
				verb, key, _ := strings.Cut(command, " ")
				switch verb {
				case "gets":
					return strings.Replace(tt.found, "%s", key, 1)
				case "add":
					return "NOT_STORED\r\n"
				}
				return "EXISTS\r\n"
			}
		})
		err := tt.call(open(t, fake.addr))
		require.ErrorIs(t, err, errStuck, name)
		require.False(t, isDefinite(err), name)
		require.Less(t, fake.commands.Load(), int64(10), name)
	}
}

// If its context ends between two elements, a listing yields the context's error and ends.
func TestListingEndsWithItsContext(t *testing.T) {
	s := open(t, testserver.StartMemcached(t).Addr)
	for i := range 10 {
		require.NoError(t, s.Create(t.Context(), record(fmt.Sprint("k", i), time.Hour)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var keys int
	var errs []error
	for _, err := range s.Sessions(ctx) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		keys++
		cancel()
	}
	require.Equal(t, 1, keys)
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], context.Canceled)
}

// A retry loop ends with its context, also if the item changes in each round.
func TestLoopsEndWithTheirContext(t *testing.T) {
	live := record("k", time.Hour)
	envelope := string(driver.AppendEnvelope(nil, live))
	item := func(kind kind, value string) string {
		return fmt.Sprintf("VALUE %%s %d %d %%d\r\n%s\r\nEND\r\n", kind, len(value), value)
	}
	renamed := record("new", time.Hour)
	renamed.Version = 1
	for name, tt := range map[string]struct {
		found string // the answer to every gets
		call  func(ctx context.Context, s *Store) error
	}{
		"Create":         {item(isEnded, ""), func(ctx context.Context, s *Store) error { return s.Create(ctx, record("k", time.Hour)) }},
		"Touch":          {item(isRecord, envelope), func(ctx context.Context, s *Store) error { return s.Touch(ctx, "k", time.Now().Add(time.Hour)) }},
		"Destroy":        {item(isRecord, envelope), func(ctx context.Context, s *Store) error { return s.Destroy(ctx, "k") }},
		"DestroySubject": {item(isRecord, `{"n":1}`), func(ctx context.Context, s *Store) error { return s.DestroySubject(ctx, "ada") }},
		"a listing": {"BUSY\r\n", func(ctx context.Context, s *Store) (last error) {
			for _, err := range s.Sessions(ctx) {
				last = err
			}
			return last
		}},
	} {
		var token atomic.Int64
		fake := newFakeServer(t, func() func(string, []byte) string {
			return func(command string, _ []byte) string {
				verb, key, _ := strings.Cut(command, " ")
				switch verb {
				case "gets":
					return fmt.Sprintf(tt.found, key, token.Add(1))
				case "add":
					return "NOT_STORED\r\n"
				case "lru_crawler":
					return tt.found
				}
				return "EXISTS\r\n"
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		begin := time.Now()
		err := tt.call(ctx, open(t, fake.addr))
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.Less(t, time.Since(begin), 30*time.Second, name)
	}
}
