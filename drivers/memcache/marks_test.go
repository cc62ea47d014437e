package memcache

import (
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// put stores an item past the store.
func put(t *testing.T, s *Store, it *memcache.Item) {
	t.Helper()
	require.NoError(t, gomemcache(t, s).Set(it))
}

// gomemcache returns a client of the store's servers.
func gomemcache(t *testing.T, s *Store) *memcache.Client {
	client := memcache.NewFromSelector(s.servers)
	client.Timeout = time.Minute
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// putPending stores a pending copy, as a process leaves it that dies during ChangeID.
func putPending(t *testing.T, s *Store, key, subject string) {
	t.Helper()
	r := record(key, time.Hour)
	r.Subject = subject
	epoch, err := s.epochFor(t.Context(), subject, r.Expires)
	require.NoError(t, err)
	it, err := s.item(r, epoch)
	require.NoError(t, err)
	it.Flags = uint32(isPending)
	put(t, s, it)
}

func listed(t *testing.T, s *Store) (keys []string) {
	t.Helper()
	for key, err := range s.Sessions(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

// A pending copy is alive and not listed. The next write makes it a record.
func TestPendingCopy(t *testing.T) {
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t).Addr)
	for name, write := range map[string]func(*driver.Record) error{
		"Flush": func(r *driver.Record) error { return s.Flush(ctx, r) },
		"Touch": func(r *driver.Record) error { return s.Touch(ctx, r.Key, r.Expires.Add(time.Hour)) },
		"ChangeID": func(r *driver.Record) error {
			oldKey := r.Key
			r.Key += "-new"
			return s.ChangeID(ctx, oldKey, r)
		},
	} {
		for _, subject := range []string{"", "ada"} {
			putPending(t, s, name+subject, subject)
			require.Empty(t, listed(t, s), name)
			r, err := s.Retrieve(ctx, name+subject)
			require.NoError(t, err)
			require.ErrorIs(t, s.Create(ctx, record(r.Key, time.Hour)), driver.ErrExists)
			require.NoError(t, write(r), name)
			require.Equal(t, []string{r.Key}, listed(t, s), name)
			after, err := s.Retrieve(ctx, r.Key)
			require.NoError(t, err)
			require.NotEqual(t, r.Version, after.Version)
			require.NoError(t, s.Destroy(ctx, r.Key))
		}
	}

	putPending(t, s, "k", "ada")
	require.NoError(t, s.DestroySubject(ctx, "ada"))
	_, err := s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
}

// The time in a mark decides whether it is found, not the expiration of its item.
func TestMarkLifetime(t *testing.T) {
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t).Addr)
	item := func(key string, age time.Duration) *memcache.Item {
		it := s.markItem(key, mark{to: "new", at: time.Now().Add(-age)})
		it.Expiration = expiration(time.Now().Add(time.Hour))
		return it
	}
	put(t, s, item("young", driver.MarkLifetime-time.Minute))
	rename, err := s.Renamed(ctx, "young")
	require.NoError(t, err)
	require.Equal(t, "new", rename.To)
	require.InDelta(t, driver.MarkLifetime-time.Minute, rename.Age, float64(59*time.Second))
	require.ErrorIs(t, s.Create(ctx, record("young", time.Hour)), driver.ErrExists)
	require.ErrorIs(t, s.Destroy(ctx, "young"), driver.ErrNotFound)
	_, err = s.Renamed(ctx, "young")
	require.NoError(t, err, "Renamed after Destroy")

	put(t, s, item("ahead", -time.Minute))
	rename, err = s.Renamed(ctx, "ahead")
	require.NoError(t, err)
	require.Zero(t, rename.Age, "of a mark by a clock that is ahead")

	put(t, s, item("old", driver.MarkLifetime))
	_, err = s.Renamed(ctx, "old")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.NoError(t, s.Create(ctx, record("old", time.Hour)))
	require.Equal(t, []string{"old"}, listed(t, s))

	put(t, s, &memcache.Item{Key: s.recordKey("cut"), Flags: uint32(isMark), Value: []byte("x")})
	_, err = s.Renamed(ctx, "cut")
	require.ErrorIs(t, err, driver.ErrCorrupt)
}

// An add that was sent before a Destroy and arrives after it does not bring the session back. A
// Create that begins after the Destroy succeeds.
func TestLateAddAfterDestroy(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMemcached(t)
	g := newGate(t, m.Addr)
	s, behind := open(t, m.Addr), open(t, g.addr)
	r := record("k", time.Hour)
	g.judge(func(command string) verdict {
		if strings.HasPrefix(command, "add ") {
			return hold
		}
		return pass
	})
	err := behind.Create(ctx, r)
	require.Error(t, err)
	require.NotErrorIs(t, err, driver.ErrExists)
	require.NoError(t, s.Create(ctx, r), "retried Create")
	require.NoError(t, s.Destroy(ctx, "k"))
	for _, late := range g.takeHeld() {
		late()
	}
	_, err = s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.Empty(t, listed(t, s))
	require.ErrorIs(t, s.Destroy(ctx, "k"), driver.ErrNotFound)
	_, err = s.Renamed(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.NoError(t, s.Create(ctx, r))
}

// Only Destroy removes an item that cannot be parsed.
func TestCorruptItems(t *testing.T) {
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t).Addr)
	require.NoError(t, s.Create(ctx, record("old", time.Hour)))
	for name, it := range map[string]*memcache.Item{
		"record":  {Value: []byte("x")},
		"pending": {Value: []byte("x"), Flags: uint32(isPending)},
		"mark":    {Value: []byte("12345678"), Flags: uint32(isMark)},
		"unknown": {Flags: 4},
	} {
		it.Key = s.recordKey("k")
		put(t, s, it)
		r := record("k", time.Hour)
		_, err := s.Retrieve(ctx, "k")
		require.ErrorIs(t, err, driver.ErrCorrupt, name)
		require.ErrorIs(t, s.Create(ctx, r), driver.ErrExists, name)
		for _, r.Version = range []uint64{0, 1} {
			require.ErrorIs(t, s.Flush(ctx, r), driver.ErrCorrupt, name)
			moved := *r
			moved.Key = "new"
			require.ErrorIs(t, s.ChangeID(ctx, "k", &moved), driver.ErrCorrupt, name)
		}
		require.ErrorIs(t, s.Touch(ctx, "k", r.Expires), driver.ErrCorrupt, name)
		old, err := s.Retrieve(ctx, "old")
		require.NoError(t, err)
		old.Key = "k"
		require.ErrorIs(t, s.ChangeID(ctx, "old", old), driver.ErrExists, name)
		require.Equal(t, []string{"old"}, listed(t, s), name)
		_, err = s.Retrieve(ctx, "k")
		require.ErrorIs(t, err, driver.ErrCorrupt, name)
		require.NoError(t, s.Destroy(ctx, "k"), name)
		_, err = s.Retrieve(ctx, "k")
		require.ErrorIs(t, err, driver.ErrNotFound, name)
	}
}

// A write with version 0 over a live record is a conflict.
func TestVersionZero(t *testing.T) {
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t).Addr)
	r := record("k", time.Hour)
	require.NoError(t, s.Create(ctx, r))
	moved := *r
	moved.Key = "new"
	for _, subject := range []string{"", "ada"} {
		r.Subject, moved.Subject = subject, subject
		require.ErrorIs(t, s.Flush(ctx, r), driver.ErrConflict)
		require.ErrorIs(t, s.ChangeID(ctx, "k", &moved), driver.ErrConflict)
	}
	require.NoError(t, s.Destroy(ctx, "k"))
	require.ErrorIs(t, s.Flush(ctx, r), driver.ErrNotFound)
	require.ErrorIs(t, s.ChangeID(ctx, "k", &moved), driver.ErrNotFound)
}
