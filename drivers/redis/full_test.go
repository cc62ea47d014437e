package redis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// fill writes until the server refuses to.
func fill(t testing.TB, server testserver.Redis, dsn string) {
	t.Helper()
	server.Do(t, "EVAL", `
		for i = 1, 100000 do
			local answer = redis.pcall('SET', 'filler' .. i, string.rep('x', 1000))
			if type(answer) == 'table' and answer.err then return i end
		end`, "0")
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
}

// With noeviction and a full memory, reads and the calls that end sessions work. Other writes are
// outages that name the cause, and nothing of them is written.
func TestFullMemory(t *testing.T) {
	ctx := t.Context()
	server := testserver.StartRedis(t, "--maxmemory", "10mb", "--maxmemory-policy", "noeviction")
	dsn := dsnOf(server.Addr, "a:")
	s := open(t, dsn)
	for name, call := range calls { // the server knows the scripts
		require.NoError(t, call(ctx, s, create(t, s, "warm-"+name)))
	}
	var kept []*driver.Record
	for i := range 6 {
		kept = append(kept, create(t, s, fmt.Sprint("r", i)))
	}
	other := create(t, s, "r6")
	fill(t, server, dsn)
	before := len(names(t, dsn))

	fresh, moved, gets := record("fresh", time.Hour), *kept[1], *kept[2]
	fresh.Subject, moved.Key, gets.Subject = "fresh", "moved", "another"
	for call, err := range map[string]error{
		"Create": s.Create(ctx, fresh), "ChangeID": s.ChangeID(ctx, kept[1].Key, &moved), "Flush": s.Flush(ctx, kept[0]),
		"Flush with another subject": s.Flush(ctx, &gets),
		"Touch":                      s.Touch(ctx, kept[3].Key, time.Now().Add(2*time.Hour)), "Ping": s.Ping(ctx),
	} {
		require.EqualError(t, err, "redis: the server has reached its maxmemory and can evict nothing; give it more memory (OOM)", call)
	}
	require.Len(t, names(t, dsn), before)
	for _, r := range kept {
		stored, err := s.Retrieve(ctx, r.Key)
		require.NoError(t, err)
		require.Equal(t, r, stored)
		require.Equal(t, []string{r.Key}, keysOf(t, s, r.Subject))
	}
	require.Empty(t, keysOf(t, s, "another"))

	require.NoError(t, s.Destroy(ctx, kept[0].Key))
	require.ErrorIs(t, s.Destroy(ctx, kept[0].Key), driver.ErrNotFound)
	require.NoError(t, s.DestroySubject(ctx, other.Subject))
	_, err := s.Retrieve(ctx, other.Key)
	require.ErrorIs(t, err, driver.ErrNotFound)
	_, err = s.DeleteExpired(ctx)
	require.NoError(t, err)
	require.Len(t, names(t, dsn), before-4)

	server.Do(t, "SCRIPT", "FLUSH")
	require.NoError(t, s.Destroy(ctx, kept[4].Key), "the server knows no script")
}

// keysOf returns the sessions of a subject.
func keysOf(t testing.TB, s *Store, subject string) (keys []string) {
	t.Helper()
	for key, err := range s.SubjectSessions(t.Context(), subject) {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

// Ping refuses a server that may evict keys without an expiry, because the indexes have none.
func TestEvictionPolicies(t *testing.T) {
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	for _, policy := range []string{
		"noeviction", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random",
	} {
		server.Do(t, "CONFIG", "SET", "maxmemory-policy", policy)
		if err := s.Ping(t.Context()); strings.HasPrefix(policy, "allkeys-") {
			require.ErrorIs(t, err, errEvicts, policy)
		} else {
			require.NoError(t, err, policy)
		}
	}
}

// When the server evicts sessions, it evicts no index: DestroySubject still ends those that are left.
func TestEvictionKeepsTheIndex(t *testing.T) {
	ctx := t.Context()
	server := testserver.StartRedis(t, "--maxmemory", "4mb", "--maxmemory-policy", "volatile-lru")
	s := open(t, dsnOf(server.Addr, "a:"))
	left := 0
	for i := range 4000 {
		r := record(fmt.Sprint("r", i), time.Hour)
		r.Data = make([]byte, 1000)
		require.NoError(t, s.Create(ctx, r))
	}
	for range s.Sessions(ctx) {
		left++
	}
	require.Less(t, left, 4000, "the server has evicted nothing")
	require.NotZero(t, left)
	require.NoError(t, s.DestroySubject(ctx, "user:1"))
	for key, err := range s.Sessions(ctx) {
		require.NoError(t, err)
		t.Fatalf("DestroySubject has left %q", key)
	}
}
