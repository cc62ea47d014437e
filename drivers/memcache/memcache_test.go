package memcache

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/internal/testserver"
)

var prefixes atomic.Int64

// newPrefix returns a prefix that no other test uses.
func newPrefix() string { return fmt.Sprintf("p%d:", prefixes.Add(1)) }

func target(m *testserver.Server) drivertest.Target {
	server := m.Addr
	return drivertest.Target{
		Driver:  Driver{},
		DSN:     func(testing.TB) string { return server + testserver.Patient + "&prefix=" + newPrefix() },
		BadDSN:  []string{"", "host", "host:1,host:1", "host:1?prefix=", "host:1?prefix=a%20b", "host:1?prefix=app", "host:1?timeout=5", "host:0", "user:password@host:1"},
		DeadDSN: dead,
		// With -C the server has no cas, so it accepts no conditional write.
		ReadOnlyDSN: func(t testing.TB) string { return testserver.StartMemcached(t, "-C").Addr + testserver.Patient },
		Implements:  drivertest.Toucher | drivertest.Pinger | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
		Resolution:  3 * time.Second, // memcached's clock counts seconds and may be one ahead; the store rounds up
		DownDSN: func(t testing.TB) (string, func()) {
			addr, up := testserver.Later(t, server)
			return addr + testserver.Patient, up
		},
		Proxy: func(testing.TB) (string, func(addr string) string) {
			prefix := newPrefix()
			return server, func(addr string) string { return addr + testserver.Patient + "&prefix=" + prefix }
		},
		Restart:    func(testing.TB, string) { m.Stop(); m.Start() },
		PageSize:   pageSize,
		Count:      countEndless,
		Neighbours: func(testing.TB) (a, b string) { return neighbours(server) },
		Corrupt: map[string]func(t testing.TB, dsn, key string){
			"empty record":            damage(memcache.Item{}),
			"text":                    damage(memcache.Item{Value: []byte(`{"cart":3}`)}),
			"truncated record":        damage(memcache.Item{Value: driver.AppendEnvelope(nil, record("k", time.Hour))[:14]}),
			"text as a pending copy":  damage(memcache.Item{Value: []byte("x"), Flags: uint32(isPending)}),
			"mark without a new key":  damage(memcache.Item{Value: []byte("12345678"), Flags: uint32(isMark)}),
			"item with unknown flags": damage(memcache.Item{Flags: 77}),
		},
	}
}

// countEndless returns the number of items that never expire. The server removes the others itself.
func countEndless(t testing.TB, dsn string) int {
	d, err := parseDSN(dsn)
	require.NoError(t, err)
	s := open(t, dsn)
	found, err := s.ask(t.Context(), d.addrs[0], "lru_crawler metadump hash", func(line string) (string, bool) {
		return line, strings.HasPrefix(line, "key="+url.QueryEscape(s.prefix)) && strings.Contains(line, " exp=-1 ")
	})
	require.NoError(t, err)
	return len(found)
}

// neighbours returns two DSNs. One prefix begins with the other; calls alternate between two ways.
func neighbours(server string) (a, b string) {
	n := prefixes.Add(1)
	return fmt.Sprintf("%s&prefix=app%d.", server+testserver.Patient, n), fmt.Sprintf("%s&prefix=app%d.%s", server+testserver.Patient, n, []string{"2.", "."}[n%2])
}

// damage returns a function that replaces the record under a key by the item.
func damage(it memcache.Item) func(t testing.TB, dsn, key string) {
	return func(t testing.TB, dsn, key string) {
		server, prefix, _ := strings.Cut(dsn, testserver.Patient+"&prefix=")
		c := memcache.New(server)
		c.Timeout = time.Minute
		defer c.Close()
		it := it
		it.Key = prefix + key
		require.NoError(t, c.Set(&it))
	}
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, target(testserver.StartMemcached(t)))
}

func TestHistories(t *testing.T) {
	histories.Run(t, target(testserver.StartMemcached(t)), 6*time.Second)
}

// dead returns the DSN of a server that accepts connections and never answers.
func dead(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() + "?timeout=300ms"
}

func BenchmarkStore(b *testing.B) {
	drivertest.Bench(b, target(testserver.StartMemcached(b)))
}

// BenchmarkOverhead compares the store with the client's own calls, on one server and with items of
// one size. It calls the store as package session does, with a deadline.
func BenchmarkOverhead(b *testing.B) {
	m := testserver.StartMemcached(b)
	s, c := open(b, m.Addr), memcache.New(m.Addr)
	own := New(c, Options{})
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	r := record("k", time.Hour)
	r.Data = make([]byte, 450)
	require.NoError(b, s.Create(ctx, r))
	it, err := c.Get("sess:k")
	require.NoError(b, err)
	it.Key, it.Expiration = "raw", expiration(r.Expires)
	require.NoError(b, c.Set(it))
	for _, bm := range []struct {
		name string
		do   func() error
	}{
		{"Get/raw", func() error { _, err := c.Get("raw"); return err }},
		{"Get/own-client", func() error { _, err := own.Retrieve(ctx, "k"); return err }},
		{"Get/store", func() error { _, err := s.Retrieve(ctx, "k"); return err }},
		{"GetAndCas/raw", func() error {
			it, err := c.Get("raw")
			if err != nil {
				return err
			}
			it.Expiration = expiration(r.Expires)
			return c.CompareAndSwap(it)
		}},
		{"GetAndCas/store", func() error {
			r, err := s.Retrieve(ctx, "k")
			if err != nil {
				return err
			}
			return s.Flush(ctx, r)
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, bm.do())
			}
		})
	}
}
