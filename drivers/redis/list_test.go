package redis

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/testserver"
)

// A listing during which the server restarts yields each session once. The cursors of SCAN mean
// nothing to another run of the server.
func TestListingAcrossARestart(t *testing.T) {
	const n = 20_000
	server := testserver.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	s := open(t, dsnOf(server.Addr, "a:"))
	for i := range 20 {
		createMany(t, s, n/20, fmt.Sprint("s", i))
	}
	seen := map[string]bool{}
	for key, err := range s.Sessions(t.Context()) {
		require.NoError(t, err)
		require.False(t, seen[key], "%s is yielded twice", key)
		seen[key] = true
		if len(seen) == n/4 || len(seen) == n/2 {
			server.Stop()
			server.Start()
		}
	}
	require.Len(t, seen, n)
}

// While the keyspace grows and shrinks, so that Redis rehashes it and SCAN finds keys several times,
// a listing yields each session that stays once.
func TestListingWhileTheKeyspaceShrinks(t *testing.T) {
	const n = 2000
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	createMany(t, s, n, "stays")
	for range 5 {
		server.Do(t, "EVAL", "for i = 1, 60000 do redis.call('SET', 'other' .. i, '') end", "0")
		seen, removed := map[string]int{}, 0
		for key, err := range s.Sessions(t.Context()) {
			require.NoError(t, err)
			if seen[key]++; len(seen)%20 == 0 {
				server.Do(t, "EVAL", "for i = ARGV[1], ARGV[1] + 600 do redis.call('DEL', 'other' .. i) end", "0", fmt.Sprint(removed))
				removed += 600
			}
		}
		require.Len(t, seen, n)
		for key, times := range seen {
			require.Equal(t, 1, times, key)
		}
	}
}

// A DSN may name a unix socket.
func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "r s")
	server := testserver.StartRedis(t, "--unixsocket", socket)
	s := open(t, "unix://"+filepath.Dir(socket)+"/r%20s?db=2&prefix=a:&client_name=web")
	require.NoError(t, s.Ping(t.Context()))
	create(t, s, "k")
	require.Contains(t, server.Do(t, "INFO", "keyspace"), "db2:keys=2,")
	require.Contains(t, server.Do(t, "CLIENT", "LIST"), "name=web")
}
