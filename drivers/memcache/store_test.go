package memcache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

func record(key string, ttl time.Duration) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(`{"a":1}`), Created: now, Expires: now.Add(ttl)}
}

// open opens a store, which waits long for an answer unless the DSN has a timeout.
func open(t testing.TB, dsn string) *Store {
	t.Helper()
	switch {
	case strings.Contains(dsn, "timeout="):
	case strings.Contains(dsn, "?"):
		dsn += strings.Replace(testserver.Patient, "?", "&", 1)
	default:
		dsn += testserver.Patient
	}
	s, err := Driver{}.Open(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s.(*Store)
}

func TestDSN(t *testing.T) {
	d, err := parseDSN("a:1,[::1]:2,/run/memcached.sock?prefix=x:&timeout=2s&max_idle_conns=7&max_item_size=2048")
	require.NoError(t, err)
	require.Equal(t, []net.Addr{address{"tcp", "a:1"}, address{"tcp", "[::1]:2"}, address{"unix", "/run/memcached.sock"}}, d.addrs)
	require.Equal(t, 2*time.Second, d.timeout)
	require.Equal(t, 7, d.maxIdleConns)
	require.Equal(t, Options{Prefix: "x:", MaxItemSize: 2048}, d.options)
}

func FuzzDSN(f *testing.F) {
	f.Add("a:1,/b?prefix=x&timeout=1s")
	f.Fuzz(func(t *testing.T, dsn string) {
		if d, err := parseDSN(dsn); err == nil {
			require.NotEmpty(t, d.addrs)
		}
	})
}

// The package comment states these round trips.
func TestRoundTrips(t *testing.T) {
	ctx := t.Context()
	g := newGate(t, testserver.StartMemcached(t).Addr)
	s := open(t, g.addr)
	verbs := make(chan string, 100)
	g.judge(func(command string) verdict {
		verb, _, _ := strings.Cut(command, " ")
		verbs <- verb
		return pass
	})
	sends := func(want string, call func() error) {
		t.Helper()
		require.NoError(t, call())
		var got []string
		for len(verbs) > 0 {
			got = append(got, <-verbs)
		}
		require.Equal(t, want, strings.Join(got, " "))
	}
	r := record("k", time.Hour)
	retrieve := func() (err error) { r, err = s.Retrieve(ctx, r.Key); return err }
	changeID := func(key, subject string) func() error {
		return func() error {
			oldKey := r.Key
			r.Key, r.Subject = key, subject
			return s.ChangeID(ctx, oldKey, r)
		}
	}
	sends("add", func() error { return s.Create(ctx, r) })
	sends("gets", retrieve)
	sends("cas", func() error { return s.Flush(ctx, r) })
	sends("gets cas", func() error { return s.Touch(ctx, r.Key, r.Expires.Add(time.Hour)) })
	sends("gets", retrieve)
	sends("add gets cas cas", changeID("k2", ""))
	sends("gets", func() error { _, err := s.Renamed(ctx, "k"); return err })
	sends("gets", retrieve)
	sends("gets add add gets cas cas", changeID("k3", "ada")) // the subject's first sign-in
	sends("gets gets", retrieve)
	sends("gets cas", func() error { return s.Flush(ctx, r) })
	sends("gets gets cas", func() error { return s.Touch(ctx, r.Key, r.Expires.Add(time.Minute)) })
	sends("gets gets cas cas", func() error { return s.Touch(ctx, r.Key, r.Expires.Add(24*time.Hour)) }) // extends the epoch
	sends("gets gets", retrieve)
	sends("gets add gets cas cas", changeID("k4", "ada"))
	sends("gets gets", retrieve)
	sends("gets gets add gets cas cas", changeID("k5", ""))
	sends("gets", retrieve)
	sends("gets add gets cas cas", changeID("k6", "ada"))
	sends("gets gets cas", func() error { return s.Destroy(ctx, r.Key) })
	sends("add gets cas", func() error { return s.Create(ctx, record(r.Key, time.Hour)) }) // replaces the ended item
	sends("gets cas", func() error { return s.Destroy(ctx, r.Key) })
	sends("gets cas", func() error { return s.DestroySubject(ctx, "ada") })
	sends("add gets cas", func() error { return s.Ping(ctx) })
}

// Memcached takes a relative time above 30 days for an absolute one, in 1970.
func TestLongExpiry(t *testing.T) {
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t).Addr)
	for _, days := range []int{31, 400, 36500} {
		r := record(fmt.Sprint("d", days), time.Duration(days)*24*time.Hour)
		require.NoError(t, s.Create(ctx, r))
		got, err := s.Retrieve(ctx, r.Key)
		require.NoError(t, err)
		require.Equal(t, r.Expires, got.Expires)
	}
	require.Equal(t, int32(1002), expiration(time.UnixMilli(1_000_001)), "rounded up, and one second later")
	require.Equal(t, int32(1001), expiration(time.UnixMilli(1_000_000)))
	require.Positive(t, expiration(time.Time{}), "with 0 an item never expires")
}

// The store rejects an item that is too large before it sends it. The server takes the largest item
// that the store sends.
func TestTooLarge(t *testing.T) {
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t).Addr)
	r := record("k", time.Hour)
	require.NoError(t, s.Create(ctx, r))
	largest := 0
	for size := 1<<20 + 100; largest == 0; size-- {
		r.Data = make([]byte, size)
		if _, err := s.item(r, 0); err == nil {
			largest = size
		}
	}
	require.Greater(t, largest, 1<<20-200)
	for _, size := range []int{largest, largest + 1, 2 << 20} {
		r, err := s.Retrieve(ctx, r.Key)
		require.NoError(t, err)
		r.Data = []byte(strings.Repeat("x", size))
		err = s.Flush(ctx, r)
		if size > largest {
			require.ErrorIs(t, err, driver.ErrTooLarge)
			require.ErrorContains(t, err, "max_item_size is 1048576")
		} else {
			require.NoError(t, err)
		}
		got, err := s.Retrieve(ctx, r.Key)
		require.NoError(t, err)
		require.Len(t, got.Data, largest, "the stored record is intact")
	}
}

// A record that is written under an excepted key during DestroySubject may carry the previous
// epoch. It stays alive.
func TestDestroySubjectExceptDuringWrite(t *testing.T) {
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t).Addr)
	written := record("a", time.Hour)
	written.Subject = "ada"
	before, err := s.epochFor(ctx, "ada", written.Expires)
	require.NoError(t, err)
	require.NoError(t, s.DestroySubject(ctx, "ada", "a"))
	it, err := s.item(written, before)
	require.NoError(t, err)
	require.NoError(t, s.add(ctx, it, "a", nil))
	_, err = s.Retrieve(ctx, "a")
	require.NoError(t, err)

	e := epoch{Number: 8, Except: map[string]uint64{"a": 5}}
	for number, want := range map[uint64]bool{4: false, 5: true, 6: true, 7: true, 8: true, 9: false} {
		require.Equal(t, want, e.admits("a", number), number)
		require.Equal(t, number == 8, e.admits("b", number), number)
	}
}

// A record that moves to another subject between the read of the record and the read of the old
// subject's epoch has not ended.
func TestEndedOrMoved(t *testing.T) {
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t).Addr)
	read := map[string]*entry{}
	for _, key := range []string{"moves", "stays", "goes"} {
		r := record(key, time.Hour)
		r.Subject = "ada"
		require.NoError(t, s.Create(ctx, r))
		e, err := s.get(ctx, key)
		require.NoError(t, err)
		read[key] = e
	}
	moves := *read["moves"].Record
	moves.Subject = "bob"
	require.NoError(t, s.Flush(ctx, &moves))
	require.NoError(t, s.Destroy(ctx, "goes"))
	require.NoError(t, s.DestroySubject(ctx, "ada"))
	e, err := s.ended(ctx, read["moves"])
	require.NoError(t, err)
	require.Equal(t, "bob", e.Subject)
	for _, key := range []string{"stays", "goes"} {
		_, err := s.ended(ctx, read[key])
		require.ErrorIs(t, err, driver.ErrNotFound, key)
	}
}

// A session stays alive for as long as each DestroySubject has its key in except.
func TestDestroySubjectExcept(t *testing.T) {
	ctx := t.Context()
	s := open(t, testserver.StartMemcached(t).Addr)
	for _, key := range []string{"a", "b", "c"} {
		r := record(key, time.Hour)
		r.Subject = "ada"
		require.NoError(t, s.Create(ctx, r))
	}
	alive := func(want ...string) {
		t.Helper()
		var got []string
		for _, key := range []string{"a", "b", "c"} {
			if _, err := s.Retrieve(ctx, key); err == nil {
				got = append(got, key)
			} else {
				require.ErrorIs(t, err, driver.ErrNotFound)
			}
		}
		require.Equal(t, want, got)
	}
	stale, err := s.Retrieve(ctx, "b")
	require.NoError(t, err)
	require.NoError(t, s.DestroySubject(ctx, "ada", "a", "c"))
	alive("a", "c")
	require.ErrorIs(t, s.Flush(ctx, stale), driver.ErrNotFound, "Flush of an ended session")
	alive("a", "c")
	r, err := s.Retrieve(ctx, "a")
	require.NoError(t, err)
	require.NoError(t, s.Flush(ctx, r))
	require.NoError(t, s.DestroySubject(ctx, "ada", "c", "b"))
	alive("c")
	require.NoError(t, s.DestroySubject(ctx, "ada"))
	alive()

	// If the epoch was evicted, it is not known which sessions had ended.
	r = record("a2", time.Hour)
	r.Subject = "ada"
	require.NoError(t, s.Create(ctx, r))
	require.NoError(t, gomemcache(t, s).Delete(s.epochKey("ada")))
	_, err = s.Retrieve(ctx, "a2")
	require.ErrorIs(t, err, driver.ErrNotFound)
	alive()
}

// A listing yields the store's sessions only. A store without Options.Servers cannot list.
func TestListing(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMemcached(t)
	client := memcache.New(m.Addr)
	client.Timeout = time.Minute
	require.NoError(t, client.Set(&memcache.Item{Key: "application", Value: []byte("x")}))
	require.NoError(t, client.Set(&memcache.Item{Key: "sess:garbage", Value: []byte("x")}))
	s, other := open(t, m.Addr), open(t, m.Addr+"?prefix=other:")
	want := map[string]bool{}
	for i := range 1000 {
		r := record(fmt.Sprint("k", i), time.Hour)
		r.Subject = []string{"", "ada", "bob"}[i%3]
		r.Data = []byte(strings.Repeat("x", i*3)) // in many slab classes
		require.NoError(t, s.Create(ctx, r))
		want[r.Key] = r.Subject != "bob"
	}
	require.NoError(t, other.Create(ctx, record("other", time.Hour)))
	require.NoError(t, s.DestroySubject(ctx, "bob"))
	got := map[string]bool{}
	for key, err := range s.Sessions(ctx) {
		require.NoError(t, err)
		require.False(t, got[key], "Sessions yields %s twice", key)
		got[key] = true
	}
	for key, alive := range want {
		require.Equal(t, alive, got[key], key)
	}
	require.NotContains(t, got, "other")

	own := New(client, Options{})
	for _, err := range own.Sessions(ctx) {
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	_, err := own.Retrieve(ctx, "k0")
	require.NoError(t, err)
	require.NoError(t, own.Close())
	_, err = client.Get("application")
	require.NoError(t, err, "the application's client after Close of the store")
}

// A fourth server takes over its share of the sessions, which are no longer found. No other session
// moves.
func TestAddedServerTakesItsShare(t *testing.T) {
	ctx := t.Context()
	const sessions = 30_000
	var addrs []string
	for range 4 {
		addrs = append(addrs, testserver.StartMemcached(t).Addr)
	}
	moved := func(before, after *Store) float64 {
		var wg sync.WaitGroup
		var gone atomic.Int64
		for worker := range 8 {
			wg.Go(func() {
				for i := worker; i < sessions; i += 8 {
					require.NoError(t, before.Create(ctx, record(fmt.Sprintf("k%d", i), time.Hour)))
					if _, err := after.Retrieve(ctx, fmt.Sprintf("k%d", i)); err != nil {
						require.ErrorIs(t, err, driver.ErrNotFound)
						gone.Add(1)
					}
				}
			})
		}
		wg.Wait()
		return float64(gone.Load()) / sessions
	}
	byDSN := moved(open(t, strings.Join(addrs[:3], ",")), open(t, strings.Join(addrs, ",")))
	clients := func(addrs []string) *Store {
		c := memcache.New(addrs...)
		c.MaxIdleConns, c.Timeout = 8, time.Minute
		t.Cleanup(func() { c.Close() })
		return New(c, Options{Prefix: "list:"})
	}
	byClient := moved(clients(addrs[:3]), clients(addrs))
	t.Logf("a fourth server moves %.1f %% of %d sessions; with gomemcache's list %.1f %%", 100*byDSN, sessions, 100*byClient)
	require.InDelta(t, 0.25, byDSN, 0.06, "about 1/(N+1)")
	require.Greater(t, byClient, 0.6)
}

// Rendezvous hashing gives each server an equal share of the keys.
func TestServersShare(t *testing.T) {
	three := newServers([]net.Addr{address{"tcp", "a:1"}, address{"tcp", "b:1"}, address{"tcp", "c:1"}})
	perServer := map[string]int{}
	const keys = 30_000
	for i := range keys {
		addr, err := three.PickServer(fmt.Sprintf("sess:%d", i))
		require.NoError(t, err)
		perServer[addr.String()]++
	}
	for name, n := range perServer {
		require.InDelta(t, 1./3, float64(n)/keys, 0.03, name)
	}
}

// While one of three servers is down, calls for its sessions are outages, and all others succeed.
// When the server is back, it takes new sessions.
func TestOneOfThreeServersDies(t *testing.T) {
	ctx := t.Context()
	var ms []*testserver.Server
	var addrs []string
	for range 3 {
		m := testserver.StartMemcached(t)
		ms, addrs = append(ms, m), append(addrs, m.Addr)
	}
	s := open(t, strings.Join(addrs, ","))
	require.NoError(t, s.Ping(ctx))
	on := map[string][]string{}
	for i := range 90 {
		r := record(fmt.Sprint("k", i), time.Hour)
		require.NoError(t, s.Create(ctx, r))
		addr, err := s.servers.PickServer(s.recordKey(r.Key))
		require.NoError(t, err)
		on[addr.String()] = append(on[addr.String()], r.Key)
	}
	ms[1].Stop()
	require.Error(t, s.Ping(ctx))
	for addr, keys := range on {
		for _, key := range keys {
			_, err := s.Retrieve(ctx, key)
			if addr != ms[1].Addr {
				require.NoError(t, err)
				continue
			}
			require.Error(t, err)
			require.NotErrorIs(t, err, driver.ErrNotFound, "Retrieve from a server that is down")
			require.NotContains(t, err.Error(), addr)
		}
	}
	for _, err := range s.Sessions(ctx) {
		if err != nil {
			require.NotErrorIs(t, err, errors.ErrUnsupported)
		}
	}

	ms[1].Start()
	key := on[ms[1].Addr][0]
	require.Eventually(t, func() bool {
		_, err := s.Retrieve(ctx, key)
		return errors.Is(err, driver.ErrNotFound)
	}, time.Minute, 10*time.Millisecond, "Retrieve after a restart of the server")
	require.NoError(t, s.Create(ctx, record(key, time.Hour)))
	_, err := s.Retrieve(ctx, key)
	require.NoError(t, err)
}

// Connections that a restart of the server has closed cause no outage.
func TestRestart(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMemcached(t)
	s := open(t, m.Addr)
	require.NoError(t, s.Create(ctx, record("k", time.Hour)))
	var wg sync.WaitGroup
	for range 32 { // concurrently, so that there are many connections
		wg.Go(func() {
			for range 20 {
				_, err := s.Retrieve(ctx, "k")
				require.NoError(t, err)
			}
		})
	}
	wg.Wait()
	m.Stop()
	_, err := s.Retrieve(ctx, "k")
	require.Error(t, err)
	require.NotErrorIs(t, err, driver.ErrNotFound)
	m.Start()
	_, err = s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
	require.NoError(t, s.Create(ctx, record("k", time.Hour)))
}

// A call ends with its context, also if the server never answers.
func TestDeadServer(t *testing.T) {
	addr, _, _ := strings.Cut(dead(t), "?")
	s := open(t, addr+testserver.Patient)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := s.Retrieve(ctx, "k")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	for _, err := range s.Sessions(ctx) {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.Less(t, time.Since(start), 30*time.Second)
}

// A server that cannot dump its hash table dumps its LRU queues. That may miss items that move
// meanwhile, and yields no key twice.
func TestDumpQueues(t *testing.T) {
	const sessions = 300
	s := open(t, testserver.StartMemcached(t).Addr)
	for i := range sessions {
		r := record(fmt.Sprint("k", i), time.Hour)
		r.Data = []byte(strings.Repeat("x", 10*i))
		require.NoError(t, s.Create(t.Context(), r))
	}
	seen := map[string]bool{}
	require.NoError(t, s.servers.Each(func(addr net.Addr) error {
		require.True(t, s.dumpQueues(t.Context(), addr, func(keys []string, err error) bool {
			require.NoError(t, err)
			for _, key := range keys {
				require.False(t, seen[key], "%s is yielded twice", key)
				seen[key] = true
			}
			return true
		}))
		_, err := s.ask(t.Context(), addr, "lru_crawler metadump nonsense", s.dumpedKey(addr))
		require.ErrorIs(t, err, errors.ErrUnsupported, "a command that the server does not know")
		return nil
	}))
	require.Greater(t, len(seen), sessions*9/10)
}
