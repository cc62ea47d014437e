package memory_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

func record(key string, ttl time.Duration) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte("{}"), Created: now, Expires: now.Add(ttl)}
}

func open(t *testing.T, dsn string) driver.Store {
	t.Helper()
	s, err := memory.Driver{}.Open(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestDSN(t *testing.T) {
	for _, dsn := range []string{"", "name", "dsn-a?max_sessions=1", "?max_sessions=10", "name with spaces"} {
		open(t, dsn)
	}
	for dsn, want := range map[string]string{
		"n?max_sessions=0":                "max_sessions must be",
		"n?max_sessions=-1":               "max_sessions must be",
		"n?max_sessions=many":             "max_sessions must be",
		"n?max_sessions=1&max_sessions=2": "max_sessions must be",
		"n?size=1":                        `unknown DSN parameter "size"`,
		"n?%zz":                           "malformed",
	} {
		_, err := memory.Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, dsn)
	}
}

func FuzzDSN(f *testing.F) {
	f.Add("name?max_sessions=10")
	f.Add("%zz?%zz")
	f.Fuzz(func(t *testing.T, dsn string) {
		if s, err := (memory.Driver{}).Open(dsn); err == nil {
			require.NoError(t, s.Close())
		}
	})
}

func TestNamesAreShared(t *testing.T) {
	ctx := t.Context()
	a, b, other, private := open(t, "shared"), open(t, "shared"), open(t, "other"), open(t, "")
	require.NoError(t, a.Create(ctx, record("k", time.Hour)))
	_, err := b.Retrieve(ctx, "k")
	require.NoError(t, err)
	for _, s := range []driver.Store{other, private} {
		_, err = s.Retrieve(ctx, "k")
		require.ErrorIs(t, err, driver.ErrNotFound)
	}

	require.NoError(t, a.Close())
	require.NoError(t, a.Close(), "a second Close must not count")
	_, err = b.Retrieve(ctx, "k")
	require.NoError(t, err, "b is still open")

	require.NoError(t, b.Close())
	_, err = open(t, "shared").Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound, "the last Close ends a name")
}

func TestNameOpenWithOtherLimit(t *testing.T) {
	open(t, "limited?max_sessions=5")
	open(t, "limited?max_sessions=5")
	open(t, "limited")
	_, err := memory.Driver{}.Open("limited?max_sessions=6")
	require.ErrorContains(t, err, "max_sessions=5")
}

// A full store refuses, and refusing costs nobody else a session.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := memory.New(memory.Options{MaxSessions: 3})
		for i := range 3 {
			require.NoError(t, s.Create(ctx, record(fmt.Sprint(i), time.Minute)))
		}
		for range 2 {
			err := s.Create(ctx, record("one-too-many", time.Hour))
			require.ErrorContains(t, err, "max_sessions=3")
			require.NotErrorIs(t, err, driver.ErrNotFound)
		}
		r, err := s.Retrieve(ctx, "0")
		require.NoError(t, err)
		require.NoError(t, s.Flush(ctx, r), "a full store still flushes")
		moved := *r
		moved.Key = "0-moved"
		require.NoError(t, s.ChangeID(ctx, "0", &moved), "and changes IDs")

		require.NoError(t, s.Destroy(ctx, "1"))
		require.NoError(t, s.Create(ctx, record("3", time.Minute)), "one ended: one fits")
		require.Error(t, s.Create(ctx, record("4", time.Minute)))

		time.Sleep(time.Minute)
		for i := range 3 {
			require.NoError(t, s.Create(ctx, record(fmt.Sprint("late", i), time.Minute)), "expired ones make room")
		}
		require.Error(t, s.Create(ctx, record("late3", time.Minute)))
	})
}

// A sweep looks at what has expired, not at what is stored.
func BenchmarkDeleteExpired(b *testing.B) {
	for _, stored := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("100-of-%d", stored), func(b *testing.B) {
			ctx := context.Background()
			s := memory.New(memory.Options{})
			for i := range stored {
				require.NoError(b, s.Create(ctx, record(fmt.Sprint("live", i), time.Hour)))
			}
			for b.Loop() {
				b.StopTimer()
				for i := range 100 {
					require.NoError(b, s.Create(ctx, record(fmt.Sprint(i), -time.Hour)))
				}
				b.StartTimer()
				n, err := s.DeleteExpired(ctx)
				require.NoError(b, err)
				require.Equal(b, 100, n)
			}
		})
	}
}

// A mark is found for MarkLifetime. Then it is gone, and its key is free again.
func TestMarksEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := memory.New(memory.Options{})
		r := record("old", time.Hour)
		require.NoError(t, s.Create(ctx, r))
		r.Key = "new"
		require.NoError(t, s.ChangeID(ctx, "old", r))

		time.Sleep(driver.MarkLifetime - time.Millisecond)
		mark, err := s.(driver.RenameTracker).Renamed(ctx, "old")
		require.NoError(t, err)
		require.Equal(t, driver.Rename{To: "new", Age: driver.MarkLifetime - time.Millisecond}, mark)
		require.ErrorIs(t, s.Create(ctx, record("old", time.Hour)), driver.ErrExists)

		time.Sleep(time.Millisecond)
		_, err = s.(driver.RenameTracker).Renamed(ctx, "old")
		require.ErrorIs(t, err, driver.ErrNotFound)
		n, err := s.DeleteExpired(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		require.NoError(t, s.Create(ctx, record("old", time.Hour)))
	})
}
