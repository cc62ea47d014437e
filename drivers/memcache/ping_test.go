package memcache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// Ping fails if writes fail, whatever the reason, and its error names the server.
func TestPingProvesAWrite(t *testing.T) {
	good := testserver.StartMemcached(t).Addr
	full := testserver.StartMemcached(t, "-M", "-m", "2").Addr
	filler := memcache.New(full)
	filler.Timeout = time.Minute
	for i := 0; filler.Set(&memcache.Item{Key: fmt.Sprint("filler", i), Value: make([]byte, 450)}) == nil; i++ {
	}
	frozen := testserver.StartMemcached(t)
	frozen.Freeze()
	t.Cleanup(frozen.Thaw)
	// These servers serve reads, and give the answer to commands of one kind.
	answering := func(verb, answer string) string {
		return newFakeServer(t, func() func(string, []byte) string {
			return func(command string, raw []byte) string {
				if strings.HasPrefix(command, verb+" ") {
					_, name, _ := strings.Cut(command, " ")
					return strings.Replace(answer, "%s", name, 1)
				}
				got, _ := execute(good, raw)
				return string(got)
			}
		}).addr
	}
	for name, tt := range map[string]struct{ addr, want string }{
		"has no cas":          {testserver.StartMemcached(t, "-C").Addr, "without option -C"},
		"has a full memory":   {full, "out of memory"},
		"does not answer":     {frozen.Addr, "read: i/o timeout"},
		"refuses add":         {answering("add", "SERVER_ERROR read only canary\r\n"), "unexpected answer"},
		"requires a password": {answering("add", "CLIENT_ERROR unauthenticated\r\n"), "unexpected answer"},
		"does not store":      {answering("add", "STORED\r\n"), "has lost an item that was just written"},
		"answers NOT_STORED":  {answering("add", "NOT_STORED\r\n"), "has lost an item that was just written"},
		"does not know cas":   {answering("cas", "ERROR\r\n"), "unexpected answer"},
		"refuses cas":         {answering("cas", "EXISTS\r\n"), "rejects a write"},
		"evicts at once":      {answering("cas", "NOT_FOUND\r\n"), "has lost an item that was just written"},
		"returns other data":  {answering("gets", "VALUE %s 0 1 7\r\nx\r\nEND\r\n"), "unexpected answer"},
	} {
		timeout := testserver.Patient
		if name == "does not answer" {
			timeout = "?timeout=2s"
		}
		err := open(t, tt.addr+timeout).Ping(t.Context())
		require.ErrorContains(t, err, "memcached: ", name)
		require.ErrorContains(t, err, tt.want, name)
		isOutage(t, err, name)
		err = open(t, good+","+tt.addr+timeout).Ping(t.Context())
		require.ErrorContains(t, err, "memcached, server 2 of 2: ", name)
		require.ErrorContains(t, err, tt.want, name)
	}
}

// Concurrent Pings of several stores succeed and leave no items.
func TestPingLeavesNothing(t *testing.T) {
	ctx := t.Context()
	var addrs []string
	for range 5 {
		addrs = append(addrs, testserver.StartMemcached(t).Addr)
	}
	one, other := open(t, strings.Join(addrs, ",")), open(t, strings.Join(addrs, ","))
	client := memcache.NewFromSelector(one.servers)
	client.MaxIdleConns, client.Timeout = 100, time.Minute
	unknown := New(client, Options{})
	failed, err := atOnce(99, func(i int) error { return []*Store{one, other, unknown}[i%3].Ping(ctx) })
	require.Zero(t, failed, "of 99 Pings failed, the last with %v", err)
	for _, addr := range one.addrs() {
		left, err := one.ask(ctx, addr, "lru_crawler metadump hash", func(line string) (string, bool) { return line, true })
		require.NoError(t, err)
		require.Empty(t, left)
	}
	require.NoError(t, client.Close())
}

// The item of an interrupted Ping is not listed and expires soon.
func TestPingInterrupted(t *testing.T) {
	server := testserver.StartMemcached(t).Addr
	g := newGate(t, server)
	s := open(t, g.addr)
	ctx, cancel := context.WithCancel(t.Context())
	g.judge(func(command string) verdict {
		if strings.HasPrefix(command, "gets") {
			cancel()
		}
		return pass
	})
	require.ErrorIs(t, s.Ping(ctx), context.Canceled)
	watcher := open(t, server)
	require.Empty(t, listed(t, watcher))
	left, err := watcher.ask(t.Context(), watcher.addrs()[0], "lru_crawler metadump hash", func(line string) (string, bool) { return line, true })
	require.NoError(t, err)
	require.Len(t, left, 1)
	var exp int64
	_, err = fmt.Sscanf(left[0][strings.Index(left[0], "exp="):], "exp=%d", &exp)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), time.Unix(exp, 0), 2*pingLifetime)
}

// Ping skips a server that has no share of the items.
func TestPingOfAServerWithoutItems(t *testing.T) {
	good := address{"tcp", testserver.StartMemcached(t).Addr}
	client := memcache.New(good.name)
	client.Timeout = time.Minute
	t.Cleanup(func() { _ = client.Close() })
	s := New(client, Options{Servers: onlyFirst{good, address{"tcp", "127.0.0.1:1"}}})
	require.NoError(t, s.Ping(t.Context()))
	require.Equal(t, "server 1 of 2", s.serverOf("x"))
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Ping(t.Context()), driver.ErrClosed)
}

// onlyFirst is a ServerSelector of several servers that picks the first one for every item.
type onlyFirst []net.Addr

func (o onlyFirst) PickServer(string) (net.Addr, error) { return o[0], nil }

func (o onlyFirst) Each(f func(net.Addr) error) (err error) {
	for _, addr := range o {
		err = errors.Join(err, f(addr))
	}
	return err
}
