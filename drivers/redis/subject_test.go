package redis

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// createMany stores n sessions of a subject.
func createMany(t testing.TB, s *Store, n int, subject string) {
	t.Helper()
	const writers = 32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				r := record(fmt.Sprintf("%s-%d", subject, i), time.Hour)
				r.Subject = subject
				if err := s.Create(t.Context(), r); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// DestroySubject ends all of very many sessions in steps that hold up the server for a few
// milliseconds each, while other sessions are renamed.
func TestManySessionsOfASubject(t *testing.T) {
	const n = 100_000
	ctx := t.Context()
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	createMany(t, s, n, "ada")
	createMany(t, s, 10, "bob")
	seen := 0
	for _, err := range s.SubjectSessions(ctx, "ada") {
		require.NoError(t, err)
		seen++
	}
	require.Equal(t, n, seen)
	server.Do(t, "CONFIG", "RESETSTAT")
	server.Do(t, "CONFIG", "SET", "slowlog-log-slower-than", "10000")
	begin := time.Now()
	require.NoError(t, s.DestroySubject(ctx, "ada", "ada-7", "ada-50000"))
	took := time.Since(begin)
	steps, usec := executed(t, server)
	t.Logf("DestroySubject of %d sessions: %v, %d steps of %d us on average, %s longer than 10 ms", n, took, steps, usec/steps, server.Do(t, "SLOWLOG", "LEN"))
	require.LessOrEqual(t, steps, n/batchSize+2)
	require.Less(t, usec/steps, 10_000, "microseconds for a step")
	require.ElementsMatch(t, []string{"ada-7", "ada-50000"}, keysOf(t, s, "ada"))
	require.Len(t, keysOf(t, s, "bob"), 10)
	require.Equal(t, "2", server.Do(t, "ZCARD", "a:@ada"))
}

// Up to 1000 sessions are one step.
func TestThousandSessionsOfASubject(t *testing.T) {
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	require.NoError(t, s.DestroySubject(t.Context(), "nobody"))
	createMany(t, s, batchSize-1, "ada")
	server.Do(t, "CONFIG", "RESETSTAT")
	require.NoError(t, s.DestroySubject(t.Context(), "ada"))
	steps, _ := executed(t, server)
	require.Equal(t, 1, steps)
	require.Empty(t, names(t, dsnOf(server.Addr, "a:")))
}

// A session that is renamed again and again while DestroySubject runs ends.
func TestDestroySubjectFindsRenamed(t *testing.T) {
	ctx := t.Context()
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	for round := range 20 {
		subject := fmt.Sprint("s", round)
		createMany(t, s, 3*batchSize, subject)
		last, ended := make(chan string), make(chan struct{})
		for i := range 4 {
			go func() {
				key := fmt.Sprintf("%s-%d", subject, i*700)
				defer func() { last <- key }()
				for n := 0; !isDone(ended); n++ {
					r, err := s.Retrieve(ctx, key)
					if err != nil {
						return
					}
					r.Key = fmt.Sprintf("%s-%d-%d", subject, i, n)
					if err := s.ChangeID(ctx, key, r); err != nil {
						return
					}
					key = r.Key
				}
			}()
		}
		time.Sleep(time.Millisecond)
		require.NoError(t, s.DestroySubject(ctx, subject))
		close(ended)
		for range 4 {
			_, err := s.Retrieve(ctx, <-last)
			require.ErrorIs(t, err, driver.ErrNotFound)
		}
		require.Empty(t, keysOf(t, s, subject))
	}
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// The index of a subject has no entry of a session that has ended, also if Redis has removed the
// session: Create removes dead entries, two at a time.
func TestIndexDoesNotGrow(t *testing.T) {
	ctx := t.Context()
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	for i := range 50 {
		r := record(fmt.Sprint("k", i), 2*time.Millisecond)
		require.NoError(t, s.Create(ctx, r))
		time.Sleep(4 * time.Millisecond)
	}
	require.Contains(t, []string{"1", "2", "3"}, server.Do(t, "ZCARD", "a:@user:1"))
	_, err := s.DeleteExpired(ctx)
	require.NoError(t, err)
	require.Equal(t, "0", server.Do(t, "EXISTS", "a:@user:1"))
}

// DeleteExpired tidies indexes that are too long for one step, and many short ones.
func TestDeleteExpiredTidiesIndexes(t *testing.T) {
	ctx := t.Context()
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	createMany(t, s, 2*batchSize+100, "ada")
	for i := range 1500 {
		createMany(t, s, 1, fmt.Sprint("u", i))
	}
	server.Do(t, "EVAL", `
		for i = 0, 2099 do if i % 3 > 0 then redis.call('DEL', 'a:ada-' .. i) end end
		for i = 0, 1499 do if i % 3 > 0 then redis.call('DEL', 'a:u' .. i .. '-0') end end`, "0")
	removed, err := s.DeleteExpired(ctx)
	require.NoError(t, err)
	require.Zero(t, removed)
	require.Equal(t, "700", server.Do(t, "ZCARD", "a:@ada"))
	require.Len(t, keysOf(t, s, "ada"), 700)
	for i := range 1500 {
		require.Equal(t, i%3 == 0, server.Do(t, "EXISTS", fmt.Sprint("a:@u", i)) == "1", i)
	}
}
