package memcache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// allocated returns how many bytes a call allocates.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// The store reserves no memory for an item above max_item_size, nor for more items than it has
// requested.
func TestHugeAnswers(t *testing.T) {
	header := func(name string, size int) string { return fmt.Sprintf("VALUE %s 0 %d 7\r\n", name, size) }
	small := header("sess:k", 1) + "x\r\n"
	for name, tt := range map[string]struct {
		answer string
		want   error
	}{
		"an item of a gigabyte":               {header("sess:k", 1<<30-1), errTooBig},
		"an item one byte above the limit":    {header("sess:k", defaultMaxItemSize+1), errTooBig},
		"the same item without end":           {strings.Repeat(small, 1000), errOtherKey},
		"the same item 1000 times":            {strings.Repeat(small, 1000) + "END\r\n", errOtherKey},
		"an item of another key, without end": {strings.Repeat(header("sess:other", 1)+"x\r\n", 1000), errOtherKey},
	} {
		t.Run(name, func(t *testing.T) {
			answer := []byte(tt.answer)
			fake := newFakeServerConn(t, func(conn net.Conn, _ string, _ []byte) {
				for {
					if _, err := conn.Write(answer); err != nil {
						return
					}
					if !strings.HasSuffix(name, "without end") {
						return
					}
				}
			})
			s := open(t, fake.addr)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			took := allocated(func() {
				_, err := s.Retrieve(ctx, "k")
				require.ErrorIs(t, err, tt.want)
				require.False(t, isDefinite(err))
			})
			require.Less(t, took, uint64(8<<20))
			_, err := s.live(ctx, []string{"k", "l"})
			require.Error(t, err)
		})
	}
}

// An answer that the protocol does not have for a command is an outage, and its connection is not
// used again.
func TestAnswersToOtherCommands(t *testing.T) {
	server := testserver.StartMemcached(t).Addr
	for _, tt := range []struct{ verb, answer string }{
		{"add", "EXISTS"}, {"add", "NOT_FOUND"}, {"add", "END"}, {"add", "DELETED"}, {"add", "OK"}, {"add", "TOUCHED"},
		{"cas", "END"}, {"cas", "DELETED"}, {"cas", "OK"}, {"gets", "STORED"}, {"gets", "EXISTS"}, {"gets", "NOT_FOUND"}, {"gets", "EN"},
	} {
		t.Run(tt.verb+" "+tt.answer, func(t *testing.T) {
			fake := newFakeServerConn(t, func(conn net.Conn, command string, raw []byte) {
				answer, _ := execute(server, raw)
				if strings.HasPrefix(command, tt.verb+" ") {
					answer = []byte(tt.answer + "\r\n")
				}
				_, _ = conn.Write(answer)
			})
			s := open(t, fake.addr)
			name := s.recordKey("k")
			it := &memcache.Item{Key: name, Value: []byte("x")}
			var err error
			switch tt.verb {
			case "add":
				err = s.insert(t.Context(), it)
			case "cas":
				err = s.cas(t.Context(), it, 1)
			default:
				_, err = s.fetch(t.Context(), name)
			}
			require.ErrorIs(t, err, errUnexpected)
			require.Empty(t, s.pools[s.addrs()[0]].idle)
		})
	}
}

// A cas token that does not fit into a version is an error, also in a listing, which must not omit a
// live record.
func TestHugeTokens(t *testing.T) {
	envelope := driver.AppendEnvelope(nil, record("k", time.Hour))
	fake := newFakeServer(t, func() func(string, []byte) string {
		return func(string, []byte) string {
			return fmt.Sprintf("VALUE sess:k 0 %d %d\r\n%s\r\nEND\r\n", len(envelope), uint64(1)<<tokenBits, envelope)
		}
	})
	s := open(t, fake.addr)
	_, err := s.live(t.Context(), []string{"k"})
	require.ErrorContains(t, err, "restart it")
	_, err = s.Retrieve(t.Context(), "k")
	require.ErrorContains(t, err, "restart it")
}

// A prefix may contain all bytes but spaces and control characters, Unicode spaces included.
func TestPrefixOfOddBytes(t *testing.T) {
	ctx := t.Context()
	server := testserver.StartMemcached(t).Addr
	for _, prefix := range []string{"caf\u00e9:", "a\u00a0b:", "a\u0085b:", "\u2028:", "a\u3000:", "\xff\xfe:", "\xa0:", "\x85", "%20:", "a+b:", "a%2:", `"'\:`, "key=", "STAT:", "END\u00a0"} {
		s := open(t, server+"?prefix="+escapeAll(prefix))
		require.Equal(t, prefix, s.prefix)
		require.NoError(t, s.Create(ctx, record("k", time.Hour)), "%q", prefix)
		_, err := s.Retrieve(ctx, "k")
		require.NoError(t, err, "%q", prefix)
		require.NoError(t, s.Ping(ctx), "%q", prefix)
		var keys []string
		for key, err := range s.Sessions(ctx) {
			require.NoError(t, err, "%q", prefix)
			keys = append(keys, key)
		}
		require.Equal(t, []string{"k"}, keys, "%q", prefix)
	}
}

func escapeAll(text string) (escaped string) {
	for _, b := range []byte(text) {
		escaped += fmt.Sprintf("%%%02X", b)
	}
	return escaped
}

// A context that ends at any time, also while an answer arrives, does not affect other calls: a
// connection is not used again if its deadline or its answer belongs to another call.
func TestContextsEndAtAnyTime(t *testing.T) {
	server := testserver.StartMemcached(t).Addr
	s := open(t, server+"?timeout=1m&max_idle_conns=4")
	const callers = 8
	for i := range callers {
		r := record(fmt.Sprint("k", i), time.Hour)
		r.Data = []byte(fmt.Sprint("of ", i, strings.Repeat("x", i*3000)))
		require.NoError(t, s.Create(t.Context(), r))
	}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range 1500 {
				ctx, cancel := context.WithCancel(t.Context())
				canceled := rand.N(2) == 0
				if canceled {
					time.AfterFunc(rand.N(300*time.Microsecond), cancel)
				}
				r, err := s.Retrieve(ctx, fmt.Sprint("k", i))
				switch {
				case err == nil && !strings.HasPrefix(string(r.Data), fmt.Sprint("of ", i)):
					t.Errorf("Retrieve returned the data of another key")
				case err != nil && !(canceled && errors.Is(err, context.Canceled)):
					t.Errorf("Retrieve = %v, want nil", err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

// Close during calls leaves no connection open and no goroutine running.
func TestCloseDuringCalls(t *testing.T) {
	server := testserver.StartMemcached(t).Addr
	before := runtime.NumGoroutine()
	for range 20 {
		s := open(t, server+"?prefix="+newPrefix())
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for {
					err := s.Create(t.Context(), record(fmt.Sprint("k", i, "-", rand.N(1000000)), time.Hour))
					if errors.Is(err, driver.ErrClosed) {
						return
					}
					if err != nil && !errors.Is(err, driver.ErrExists) {
						t.Errorf("Create = %v, want nil, ErrExists or ErrClosed", err)
						return
					}
				}
			})
		}
		time.Sleep(rand.N(5 * time.Millisecond))
		require.NoError(t, s.Close())
		wg.Wait()
		require.Empty(t, s.pools[s.addrs()[0]].idle)
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, time.Minute, 10*time.Millisecond)
}
