package memcache

import (
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
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectDestroyer,
		Resolution: 2 * time.Second, // memcached's clock counts seconds, and we round up
	}
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, target(t, testserver.StartMemcached(t).Addr))
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

// BenchmarkRaw is the floor: the client's own calls with the same items.
func BenchmarkRaw(b *testing.B) {
	s := open(b, testserver.StartMemcached(b).Addr)
	it := &memcache.Item{Key: "sess:k", Value: make([]byte, 500), Expiration: expiration(time.Now().Add(time.Hour))}
	require.NoError(b, s.client.Set(it))
	b.Run("Get", func(b *testing.B) {
		for b.Loop() {
			_, err := s.client.Get("sess:k")
			require.NoError(b, err)
		}
	})
	b.Run("GetAndCas", func(b *testing.B) {
		for b.Loop() {
			it, err := s.client.Get("sess:k")
			require.NoError(b, err)
			require.NoError(b, s.client.CompareAndSwap(it))
		}
	})
}
