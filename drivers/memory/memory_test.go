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
		"n?size=1":                        `unknown DSN parameter; there is only max_sessions`,
		"n?%zz":                           "malformed",
	} {
		_, err := memory.Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, "Open(%q)", dsn)
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

func TestStoresOfOneNameShareSessions(t *testing.T) {
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
	require.NoError(t, a.Close(), "second Close of one store")
	_, err = b.Retrieve(ctx, "k")
	require.NoError(t, err, "Retrieve from b after a.Close")

	require.NoError(t, b.Close())
	_, err = open(t, "shared").Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve after the last store of the name was closed")
}

func TestOpenWithAnotherLimit(t *testing.T) {
	open(t, "limited?max_sessions=5")
	open(t, "limited?max_sessions=5")
	open(t, "limited")
	_, err := memory.Driver{}.Open("limited?max_sessions=6")
	require.ErrorContains(t, err, "another max_sessions")
}

// A full store refuses new sessions, and evicts none.
func TestFullStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := memory.New(memory.Options{MaxSessions: 3})
		for i := range 3 {
			require.NoError(t, s.Create(ctx, record(fmt.Sprint(i), time.Minute)))
		}
		for range 2 {
			err := s.Create(ctx, record("another", time.Hour))
			require.ErrorContains(t, err, "max_sessions allows")
			require.NotErrorIs(t, err, driver.ErrNotFound)
		}
		r, err := s.Retrieve(ctx, "0")
		require.NoError(t, err)
		require.NoError(t, s.Flush(ctx, r), "Flush in a full store")
		moved := *r
		moved.Key = "0-moved"
		require.NoError(t, s.ChangeID(ctx, "0", &moved), "ChangeID in a full store")

		require.NoError(t, s.Destroy(ctx, "1"))
		require.NoError(t, s.Create(ctx, record("3", time.Minute)), "Create after a Destroy")
		require.Error(t, s.Create(ctx, record("4", time.Minute)))

		time.Sleep(time.Minute)
		for i := range 3 {
			require.NoError(t, s.Create(ctx, record(fmt.Sprint("late", i), time.Minute)), "Create when all sessions have expired")
		}
		require.Error(t, s.Create(ctx, record("late3", time.Minute)))
	})
}

// In a full store, calls that add no record return the same results as in any other store.
func TestFullStoreReturnsContractErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		call func(ctx context.Context, s driver.Store) error
		want error
	}{
		"Create of a live key":     {func(ctx context.Context, s driver.Store) error { return s.Create(ctx, record("b", time.Hour)) }, driver.ErrExists},
		"Create of a marked key":   {func(ctx context.Context, s driver.Store) error { return s.Create(ctx, record("old", time.Hour)) }, driver.ErrExists},
		"Create of an expired key": {func(ctx context.Context, s driver.Store) error { return s.Create(ctx, record("expired", time.Hour)) }, nil},
		"Flush of a missing key":   {func(ctx context.Context, s driver.Store) error { return s.Flush(ctx, record("none", time.Hour)) }, driver.ErrNotFound},
		"Flush of another version": {func(ctx context.Context, s driver.Store) error { return s.Flush(ctx, record("b", time.Hour)) }, driver.ErrConflict},
		"ChangeID of a missing key": {func(ctx context.Context, s driver.Store) error {
			return s.ChangeID(ctx, "none", record("b", time.Hour))
		}, driver.ErrNotFound},
		"ChangeID of another version": {func(ctx context.Context, s driver.Store) error { return s.ChangeID(ctx, "a", record("b", time.Hour)) }, driver.ErrConflict},
		"ChangeID to a live key":      {func(ctx context.Context, s driver.Store) error { return rename(ctx, s, "a", "b") }, driver.ErrExists},
		"ChangeID to a marked key":    {func(ctx context.Context, s driver.Store) error { return rename(ctx, s, "a", "old") }, driver.ErrExists},
		"ChangeID to its own key":     {func(ctx context.Context, s driver.Store) error { return rename(ctx, s, "a", "a") }, driver.ErrExists},
		"ChangeID":                    {func(ctx context.Context, s driver.Store) error { return rename(ctx, s, "a", "c") }, nil},
		"Touch of a missing key": {func(ctx context.Context, s driver.Store) error {
			return s.(driver.Toucher).Touch(ctx, "none", time.Now().Add(time.Hour))
		}, driver.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				s := memory.New(memory.Options{MaxSessions: 3})
				for _, key := range []string{"a", "before"} {
					require.NoError(t, s.Create(ctx, record(key, time.Hour)))
				}
				require.NoError(t, rename(ctx, s, "before", "old"))
				require.NoError(t, rename(ctx, s, "old", "b"))
				require.NoError(t, s.Create(ctx, record("expired", time.Minute)))
				time.Sleep(2 * time.Minute)
				if name != "Create of an expired key" {
					require.NoError(t, s.Create(ctx, record("third", time.Hour)))
				}
				require.ErrorIs(t, tt.call(ctx, s), tt.want)
			})
		})
	}
}

func rename(ctx context.Context, s driver.Store, from, to string) error {
	r, err := s.Retrieve(ctx, from)
	if err != nil {
		return err
	}
	r.Key = to
	return s.ChangeID(ctx, from, r)
}

// A Create that fails with ErrExists never makes a concurrent Create fail for lack of room.
func TestFailedCreateTakesNoRoom(t *testing.T) {
	ctx := t.Context()
	s := memory.New(memory.Options{MaxSessions: 2})
	require.NoError(t, s.Create(ctx, record("taken", time.Hour)))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = s.Create(ctx, record("taken", time.Hour))
			}
		}
	}()
	for range 2000 {
		require.NoError(t, s.Create(ctx, record("other", time.Hour)))
		require.NoError(t, s.Destroy(ctx, "other"))
	}
	close(stop)
	<-stopped
}

// The time of a sweep depends on the number of expired sessions, not on the number stored.
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

// Renamed finds a mark for MarkLifetime. Afterwards its key can be created again.
func TestMarksExpire(t *testing.T) {
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
