package memcache

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// Stores with similar prefixes on one server share no items: they do not list, find or end each
// other's sessions.
func TestNeighbours(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMemcached(t)
	var stores []*Store
	for _, prefix := range []string{
		"a:", "a::", "a:b:", "a:@b:", "a:@ping:", "@:", "%:", "%3A:", "a%3A:", "a.", "a:sess:", "sess:", "*:", "caf\u00e9", "\xff:", "a/../a:",
	} {
		stores = append(stores, open(t, m.Addr+"?prefix="+url.QueryEscape(prefix)))
	}
	for i, s := range stores {
		for _, key := range []string{"same", fmt.Sprint("own", i), "moves"} {
			r := record(key, time.Hour)
			r.Subject, r.Data = "ada", []byte(s.prefix)
			require.NoError(t, s.Create(ctx, r), s.prefix)
		}
		r, err := s.Retrieve(ctx, "moves")
		require.NoError(t, err)
		r.Key = "moved"
		require.NoError(t, s.ChangeID(ctx, "moves", r)) // leaves a mark
		require.NoError(t, s.Create(ctx, record("gone", time.Hour)))
		require.NoError(t, s.Destroy(ctx, "gone")) // leaves an ended item
		require.NoError(t, s.Ping(ctx))
	}
	want := func(i int) []string { return []string{"moved", fmt.Sprint("own", i), "same"} }
	for i, s := range stores {
		require.Equal(t, want(i), slices.Sorted(slices.Values(listed(t, s))), s.prefix)
	}
	for i, s := range stores {
		for _, key := range listed(t, s) {
			r, err := s.Retrieve(ctx, key)
			require.NoError(t, err)
			require.Equal(t, s.prefix, string(r.Data))
			if i%2 == 0 {
				require.NoError(t, s.Destroy(ctx, key))
			}
		}
		require.NoError(t, s.DestroySubject(ctx, "ada"))
		require.Empty(t, listed(t, s))
		for j, later := range stores[i+1:] {
			require.Len(t, listed(t, later), len(want(j)), "%q after %q was emptied", later.prefix, s.prefix)
		}
	}
}

// The names of records, epochs and pings are disjoint, also between stores with different prefixes.
func TestNamesAreDisjoint(t *testing.T) {
	const key = "-_AZaz09-_AZaz09-_AZaz09-_AZaz09-_AZaz09-_A" // 43 characters
	seen := map[string]string{}
	for _, prefix := range []string{"a:", "a:@:", "a:@ping-:", "a:b:", "a::", ":", "@:", "@ping-:", "a.", "a.b."} {
		require.NoError(t, checkPrefix(prefix))
		s := &Store{&redacted{&state{prefix: prefix}}}
		for _, name := range []string{s.recordKey(key), s.recordKey("ping-" + key), s.recordKey("subject-" + key), s.epochKey("ada"), s.epochKey(""), s.pingName()} {
			require.LessOrEqual(t, len(name), maxName)
			require.Empty(t, seen[name], "prefixes %q and %q share the name %q", prefix, seen[name], name)
			seen[name] = prefix
		}
	}
	longest := &Store{&redacted{&state{prefix: strings.Repeat("x", maxPrefix-1) + ":"}}}
	require.True(t, validName(longest.epochKey("ada")) && validName(longest.recordKey(strings.Repeat("k", 64))) && validName(longest.pingName()))
}

// dumpedKey returns the keys of the store's records only, whichever characters the dump escapes.
func TestDumpedKey(t *testing.T) {
	s := open(t, "127.0.0.1:1?prefix="+url.QueryEscape("50%:"))
	find := s.dumpedKey(s.addrs()[0])
	for line, want := range map[string]string{
		"key=50%25%3Akey exp=1 la=1":     "key",
		"key=50%25:key exp=1":            "key",
		"key=%35%30%25%3a%6bey exp=1":    "key",
		"key=50%25%3A exp=1":             "",
		"key=50%25%3A%40key exp=1":       "",
		"key=50%25%3Aother%3Akey exp=1":  "",
		"key=50%25%3Aa%0D%0Adelete%20x ": "",
		"key=50%25%3Ak%C3%A9y exp=1":     "",
		"key=50%25%3Ak%zz exp=1":         "",
		"key=50%25key exp=1":             "",
		"STAT items:5:number 42":         "",
		"":                               "",
	} {
		got, found := find(line)
		require.Equal(t, want != "", found, line)
		if found {
			require.Equal(t, want, got, line)
		}
	}
}

// An item that a different list of servers has left on a server is not listed, because no call finds
// it there.
func TestItemsOfAnotherServerList(t *testing.T) {
	ctx := t.Context()
	one, two := testserver.StartMemcached(t).Addr, testserver.StartMemcached(t).Addr
	before, after := open(t, one), open(t, one+","+two)
	for i := range 40 {
		r := record(fmt.Sprint("k", i), time.Hour)
		require.NoError(t, before.Create(ctx, r))
		if err := after.Create(ctx, record(r.Key, time.Hour)); err != nil {
			require.ErrorIs(t, err, driver.ErrExists)
		}
	}
	keys := listed(t, after)
	require.Len(t, keys, 40)
	slices.Sort(keys)
	require.Len(t, slices.Compact(keys), 40, "without duplicates")
}

// The store sends no command with a name that memcached does not accept.
func TestInvalidNames(t *testing.T) {
	s := open(t, testserver.StartMemcached(t).Addr)
	for _, key := range []string{"a b", "a\r\nflush_all", "a\x00", "a\x7f", strings.Repeat("k", 250)} {
		_, err := s.Retrieve(t.Context(), key)
		for _, err := range []error{err, s.Create(t.Context(), record(key, time.Hour)), s.Destroy(t.Context(), key)} {
			require.ErrorIs(t, err, memcache.ErrMalformedKey, key)
			require.NotContains(t, err.Error(), "flush_all")
		}
	}
	require.NoError(t, s.Ping(t.Context()))
}
