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

// liar is a server whose answers a test makes up.
type liar struct {
	addr        string
	commands    atomic.Int64
	connections atomic.Int64
}

// newLiar starts a server. Each connection has its own answer function.
func newLiar(t *testing.T, connect func() (answer func(command string, raw []byte) string)) *liar {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	liar := &liar{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			liar.connections.Add(1)
			go liar.serve(conn, connect())
		}
	}()
	return liar
}

func (l *liar) serve(conn net.Conn, answer func(command string, raw []byte) string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		command, raw, err := readCommand(r)
		if err != nil {
			return
		}
		l.commands.Add(1)
		if _, err := fmt.Fprint(conn, answer(command, raw)); err != nil {
			return
		}
	}
}

// oneBehind answers as the server does, but on each connection the first get twice.
func oneBehind(t *testing.T, server string) *liar {
	return newLiar(t, func() func(string, []byte) string {
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

// An answer to another question is an outage, and its connection is not used again: no
// session is read as another one.
func TestOneAnswerBehind(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMemcached(t)
	direct := open(t, m.Addr)
	for _, key := range []string{"alice", "bob"} {
		r := record(key, time.Hour)
		r.Data = []byte("of " + key)
		require.NoError(t, direct.Create(ctx, r))
	}
	client := func(addr string) *Store {
		c := memcache.New(addr)
		t.Cleanup(func() { _ = c.Close() })
		servers := newServers([]net.Addr{address{"tcp", addr}})
		return New(c, Options{Servers: servers})
	}
	for name, open := range map[string]func(addr string) *Store{
		"by DSN":        func(addr string) *Store { return open(t, addr) },
		"with a client": client,
	} {
		t.Run(name, func(t *testing.T) {
			liar := oneBehind(t, m.Addr)
			s := open(liar.addr)
			for round := range int64(3) {
				got, err := s.Retrieve(ctx, "alice")
				require.NoError(t, err)
				require.Equal(t, "of alice", string(got.Data))
				_, err = s.Retrieve(ctx, "bob")
				require.ErrorIs(t, err, errOtherKey)
				require.False(t, isAnswer(err))
				require.Equal(t, round+1, liar.connections.Load())
			}
			_, err := s.Retrieve(ctx, "alice")
			require.NoError(t, err)
			_, err = s.live(ctx, []string{"bob"})
			require.ErrorIs(t, err, errOtherKey, "many at once")
			_, err = s.live(ctx, []string{"bob"})
			require.NoError(t, err, "on a new connection")
		})
	}
}

// What a server says is in no error: it may be a session's data.
func TestErrorsQuoteNothing(t *testing.T) {
	for answer, want := range map[string]error{
		"canary\r\n":                              errUnexpected,
		"SERVER_ERROR canary\r\n":                 errUnexpected,
		"VALUE canary\r\n":                        errUnexpected,
		"VALUE sess:k canary 7\r\n":               errUnexpected,
		"VALUE sess:canary 0 1 1\r\nx\r\nEND\r\n": nil,
	} {
		s := open(t, newLiar(t, func() func(string, []byte) string {
			return func(string, []byte) string { return answer }
		}).addr)
		r := record("k", time.Hour)
		r.Version = 1
		_, err := s.Retrieve(t.Context(), "k")
		for _, err := range []error{err, s.Create(t.Context(), r), s.Flush(t.Context(), r), s.Destroy(t.Context(), "k")} {
			require.Error(t, err)
			require.False(t, isAnswer(err))
			require.NotContains(t, err.Error(), "canary")
			if want != nil {
				require.ErrorIs(t, err, want)
			}
		}
	}
	s := open(t, testserver.StartMemcached(t, "-I", "32k", "-o", "slab_chunk_max=16384").Addr)
	r := record("k", time.Hour)
	require.NoError(t, s.Create(t.Context(), r))
	big := record("big", time.Hour)
	big.Data = make([]byte, 100_000)
	require.ErrorIs(t, s.Create(t.Context(), big), driver.ErrTooLarge)
}

// The name of a server is a part of the DSN.
func TestErrorsNameNoHost(t *testing.T) {
	err := (&Store{}).explain(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "canary"}})
	require.EqualError(t, err, "memcached: dial: host not found")
}

// No loop goes on when a round has changed nothing: here the server refuses every
// conditional write, whatever is there.
func TestLoopsGiveUp(t *testing.T) {
	item := func(kind kind, value []byte) string {
		return fmt.Sprintf("VALUE %%s %d %d 7\r\n%s\r\nEND\r\n", kind, len(value), value)
	}
	live := record("k", time.Hour)
	live.Data = []byte("x")
	envelope := string(driver.AppendEnvelope(nil, live))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	subject := record("k", time.Hour)
	subject.Subject = "ada"
	for name, tt := range map[string]struct {
		found string // by every get
		call  func(s *Store) error
	}{
		"Create, nothing":      {"END\r\n", func(s *Store) error { return s.Create(ctx, record("k", time.Hour)) }},
		"Create, ended":        {item(isEnded, nil), func(s *Store) error { return s.Create(ctx, record("k", time.Hour)) }},
		"Create, of a subject": {"END\r\n", func(s *Store) error { return s.Create(ctx, subject) }},
		"Touch":                {item(isRecord, []byte(envelope)), func(s *Store) error { return s.Touch(ctx, "k", time.Now().Add(time.Hour)) }},
		"Destroy":              {item(isRecord, []byte(envelope)), func(s *Store) error { return s.Destroy(ctx, "k") }},
		"DestroySubject":       {item(isRecord, []byte(`{"n":1}`)), func(s *Store) error { return s.DestroySubject(ctx, "ada") }},
		"ChangeID": {"END\r\n", func(s *Store) error {
			r := record("new", time.Hour)
			r.Version = 1
			return s.ChangeID(ctx, "k", r)
		}},
	} {
		liar := newLiar(t, func() func(string, []byte) string {
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
		err := tt.call(open(t, liar.addr))
		require.ErrorIs(t, err, errStuck, name)
		require.False(t, isAnswer(err), name)
		require.Less(t, liar.commands.Load(), int64(10), name)
	}
}

// Between two elements of a listing a context that is done yields its error, and
// nothing follows.
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
