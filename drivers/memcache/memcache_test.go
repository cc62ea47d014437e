package memcache

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/internal/testserver"
)

var prefixes atomic.Int64

// newPrefix keeps the stores on a server apart.
func newPrefix() string { return fmt.Sprintf("p%d:", prefixes.Add(1)) }

func target(t testing.TB, dsn string) drivertest.Target {
	return drivertest.Target{
		Driver:     Driver{},
		DSN:        func(testing.TB) string { return dsn + "?timeout=5s&prefix=" + newPrefix() },
		BadDSN:     []string{"", "host", "host:1,host:1", "host:1?prefix=", "host:1?prefix=a%20b", "host:1?timeout=5"},
		DeadDSN:    dead,
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
		Resolution: 3 * time.Second, // memcached's clock counts seconds, and may be one ahead: we round up
	}
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, target(t, testserver.StartMemcached(t).Addr))
}

func TestHistories(t *testing.T) {
	drivertest.Histories(t, target(t, testserver.StartMemcached(t).Addr), 6*time.Second)
}

// dead is a server that accepts connections and never answers.
func dead(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() + "?timeout=300ms"
}

func BenchmarkStore(b *testing.B) {
	drivertest.Bench(b, target(b, testserver.StartMemcached(b).Addr))
}

// BenchmarkOverhead sets the store beside the client's own calls, on one server,
// with items of one size. The store is called as package session calls it: under a
// deadline.
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
