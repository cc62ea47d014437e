package redis

import (
	"fmt"
	"iter"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/internal/testserver"
)

// severalServers returns the target of a store whose servers are found by other servers. There is no
// proxy, because the client goes to the addresses that those name.
func severalServers(base testserver.Redis, dsn func(prefix string) string) drivertest.Target {
	tgt := target(base)
	tgt.DSN = func(testing.TB) string { return dsn(newPrefix()) }
	tgt.Neighbours = func(testing.TB) (a, b string) {
		n := prefixes.Add(1)
		return dsn(fmt.Sprintf("app%d:", n)), dsn(fmt.Sprintf("app%d:2:", n))
	}
	tgt.Proxy, tgt.DownDSN, tgt.Restart, tgt.ReadOnlyDSN, tgt.Count = nil, nil, nil, nil, nil
	return tgt
}

func clusterDSN(c testserver.RedisCluster, prefix string) string {
	return "redis+cluster://" + strings.Join(c.Addrs, ",") + "?prefix=" + url.QueryEscape(prefix)
}

func TestConformanceOfCluster(t *testing.T) {
	c := testserver.StartRedisCluster(t)
	drivertest.Run(t, severalServers(c.Nodes[0], func(prefix string) string { return clusterDSN(c, prefix) }))
}

func sentinelDSN(s testserver.Sentinel, prefix string) string {
	return "redis+sentinel://" + strings.Join(s.Addrs, ",") + "/" + s.Name + "?prefix=" + url.QueryEscape(prefix)
}

func TestConformanceOfSentinel(t *testing.T) {
	s := testserver.StartSentinel(t, 1)
	drivertest.Run(t, severalServers(s.Servers[0], func(prefix string) string { return sentinelDSN(s, prefix) }))
}

// With wait, a session that has ended is ended on the replica that takes over, and the store finds it
// without being told.
func TestSentinelFailover(t *testing.T) {
	ctx := t.Context()
	server := testserver.StartSentinel(t, 1)
	s := open(t, sentinelDSN(server, "a:")+"&wait=1&wait_timeout=10s&timeout=1s")
	kept, ended, moves := create(t, s, "kept"), create(t, s, "ended"), create(t, s, "moves")
	require.NoError(t, s.Destroy(ctx, ended.Key))
	moved := *moves
	moved.Key = "moved"
	require.NoError(t, s.ChangeID(ctx, moves.Key, &moved))
	server.StopPrimary(t)
	server.Primary(t)
	awaits(t, s)
	_, err := s.Retrieve(ctx, ended.Key)
	require.ErrorIs(t, err, driver.ErrNotFound)
	_, err = s.Retrieve(ctx, moves.Key)
	require.ErrorIs(t, err, driver.ErrNotFound)
	stored, err := s.Retrieve(ctx, moved.Key)
	require.NoError(t, err)
	require.Equal(t, &moved, stored)
	_, err = s.Retrieve(ctx, kept.Key)
	require.NoError(t, err)
	impatient := open(t, sentinelDSN(server, "a:")+"&wait=1&wait_timeout=100ms")
	err = impatient.Destroy(ctx, kept.Key) // the old primary is down
	require.EqualError(t, err, "redis: 0 of 1 replicas have confirmed the change within 100ms; it is made, and a failover may lose it")
	require.ErrorIs(t, impatient.Destroy(ctx, kept.Key), driver.ErrNotFound)
}

// The store finds the replica that takes over in a cluster.
func TestClusterFailover(t *testing.T) {
	c := testserver.StartRedisCluster(t)
	s := open(t, clusterDSN(c, "a:")+"&wait=1&wait_timeout=10s&timeout=1s")
	r, ended := create(t, s, "k"), create(t, s, "ended")
	require.NoError(t, s.Destroy(t.Context(), ended.Key))
	c.StopPrimary(t, "{a:}")
	c.Primary(t, "{a:}")
	awaits(t, s)
	_, err := s.Retrieve(t.Context(), ended.Key)
	require.ErrorIs(t, err, driver.ErrNotFound)
	stored, err := s.Retrieve(t.Context(), r.Key)
	require.NoError(t, err)
	require.Equal(t, r, stored)
}

// awaits waits until the store serves reads and writes.
func awaits(t testing.TB, s *Store) {
	t.Helper()
	var err error
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		if err = s.Ping(t.Context()); err == nil {
			t.Logf("the store serves again after %v", time.Since(begin))
			return
		}
		for _, answer := range []error{driver.ErrNotFound, driver.ErrCorrupt, driver.ErrClosed} {
			require.NotErrorIs(t, err, answer)
		}
	}
	t.Fatalf("Ping = %v, 30 s after another server has taken over", err)
}

// While the slot of the store moves to another server, sessions can be read and written. Calls for
// which some keys may be on either server fail, and never miss a session. Afterwards all calls work.
func TestClusterMigration(t *testing.T) {
	ctx := t.Context()
	c := testserver.StartRedisCluster(t)
	s, waits := open(t, clusterDSN(c, "a:")), open(t, clusterDSN(c, "a:")+"&wait=1&wait_timeout=10s")
	kept := create(t, s, "kept")
	plain := record("plain", time.Hour)
	plain.Subject = ""
	require.NoError(t, s.Create(ctx, plain))
	require.NoError(t, waits.Touch(ctx, "kept", kept.Expires))
	refused := func(stage string) {
		t.Helper()
		for _, r := range []*driver.Record{kept, plain} {
			stored, err := s.Retrieve(ctx, r.Key)
			require.NoError(t, err, stage)
			require.Equal(t, r, stored)
		}
		require.NoError(t, s.Flush(ctx, plain), stage)
		require.NoError(t, s.Touch(ctx, "kept", kept.Expires), stage)
		require.ErrorIs(t, s.Destroy(ctx, "missing"), driver.ErrNotFound, stage)
		_, swept := s.DeleteExpired(ctx)
		errs := []error{s.Create(ctx, record("fresh", time.Hour)), s.DestroySubject(ctx, "kept"), swept}
		for _, listing := range []iter.Seq2[string, error]{s.Sessions(ctx), s.SubjectSessions(ctx, "kept")} {
			for key, err := range listing {
				require.Empty(t, key, stage)
				errs = append(errs, err)
			}
		}
		require.Len(t, errs, 5)
		for _, err := range errs {
			require.ErrorContains(t, err, "redis: the server is moving the store's slot", stage)
		}
	}
	m := c.Migrate(t, "{a:}")
	refused("at first")
	host, port, err := net.SplitHostPort(m.To.Addr)
	require.NoError(t, err)
	for _, name := range []string{"{a:}@kept", "{a:}kept"} {
		m.From.Do(t, "MIGRATE", host, port, name, "0", "60000")
		refused("after " + name)
	}
	m.MoveKeys(t)
	refused("after all keys")
	m.Finish(t)
	for name, call := range calls {
		for _, s := range []*Store{s, waits} {
			require.NoError(t, call(ctx, s, create(t, s, fmt.Sprint(name, prefixes.Add(1)))), name)
		}
	}
	require.Equal(t, []string{"kept"}, keysOf(t, s, "kept"))
	require.NoError(t, s.DestroySubject(ctx, "kept"))
	_, err = s.Retrieve(ctx, "kept")
	require.ErrorIs(t, err, driver.ErrNotFound)
}

// A prefix with a hash tag stays as it is.
func TestTagged(t *testing.T) {
	for prefix, want := range map[string]string{"a:": "{a:}", "{a}:": "{a}:", "x{a}y:": "x{a}y:", "{}a:": "{{}a:}", "}{a:": "{}{a:}", "a{:": "{a{:}"} {
		require.Equal(t, want, tagged(prefix), prefix)
	}
}
