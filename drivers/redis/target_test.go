package redis

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/internal/testserver"
)

const features = drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer |
	drivertest.RenameTracker | drivertest.Lossy

var prefixes atomic.Int64

// newPrefix returns a prefix that no other test uses.
func newPrefix() string { return fmt.Sprintf("p%d:", prefixes.Add(1)) }

// dsnOf returns the DSN of a store on a server.
func dsnOf(addr, prefix string) string {
	return "redis://" + addr + "/0?prefix=" + url.QueryEscape(prefix)
}

// target returns the target of the suite, with prefixes of their own as stores.
func target(server testserver.Redis) drivertest.Target {
	return drivertest.Target{
		Driver: Driver{},
		DSN:    func(testing.TB) string { return dsnOf(server.Addr, newPrefix()) },
		BadDSN: []string{
			"", "host", "redis:/host", "redis://", "redis://host:0", "redis://host:99999", "redis://a,b", "redis://user@host",
			"redis://host/x", "redis://host/-1", "redis://host/0?prefix=", "redis://host?prefix=app", "redis://host?prefix=a@b:",
			"redis://host?timeout=5", "redis://host?db=1", "redis://host?ca_file=x", "redis://host?sentinel_user=x", "redis://host?wait=-1",
			"redis+sentinel://server", "redis+cluster://server/1", "redis+x://host", "unix://host/path", "memcache://host", "redis://host#x",
		},
		DeadDSN:     dead,
		ReadOnlyDSN: readOnly,
		Implements:  features,
		DownDSN: func(t testing.TB) (string, func()) {
			addr, up := testserver.Later(t, server.Addr)
			return dsnOf(addr, newPrefix()), up
		},
		Proxy: func(testing.TB) (string, func(addr string) string) {
			prefix := newPrefix()
			return server.Addr, func(addr string) string { return dsnOf(addr, prefix) }
		},
		Restart:    func(testing.TB, string) { server.Stop(); server.Start() },
		PageSize:   batchSize,
		Count:      func(t testing.TB, dsn string) int { return len(names(t, dsn)) },
		Neighbours: func(testing.TB) (a, b string) { return neighbours(server.Addr) },
		Corrupt:    corruptions(),
	}
}

// corruptions are kinds of values that are no records.
func corruptions() map[string]func(t testing.TB, dsn, key string) {
	value, _ := encode(record("k", time.Hour), 1)
	return map[string]func(t testing.TB, dsn, key string){
		"empty":                      set(""),
		"text":                       set(`{"cart":3}`),
		"record cut off":             set(value[:20]),
		"record cut off in its key":  func(t testing.TB, dsn, key string) { set(valueOf(key)[:fixed+1])(t, dsn, key) },
		"record cut off in its meta": func(t testing.TB, dsn, key string) { set(valueOf(key)[:fixed+len(key)+1+6+2])(t, dsn, key) },
		"record of a later version":  set("\x93" + value[1:]),
		"mark without a new key":     set("\x92"),
		"hash": func(t testing.TB, dsn, key string) {
			name := prefixOf(t, dsn) + key
			command(t, dsn, "DEL", name)
			command(t, dsn, "HSET", name, "data", "x")
		},
	}
}

func valueOf(key string) string {
	value, _ := encode(record(key, time.Hour), 1)
	return value
}

// set returns a function that sets the value under a key.
func set(value string) func(t testing.TB, dsn, key string) {
	return func(t testing.TB, dsn, key string) { command(t, dsn, "SET", prefixOf(t, dsn)+key, value) }
}

func prefixOf(t testing.TB, dsn string) string {
	d, err := parseDSN(dsn)
	require.NoError(t, err)
	return newStore(d.options).prefix
}

// newClient returns a client, which the caller closes.
func newClient(t testing.TB, dsn string) rueidis.Client {
	t.Helper()
	d, err := parseDSN(dsn)
	require.NoError(t, err)
	c := newConns(d.network)
	c.onLoss = func() {}
	client, err := d.connect(c)
	require.NoError(t, err)
	return client
}

// command executes a command with a client of its own.
func command(t testing.TB, dsn string, words ...string) rueidis.RedisMessage {
	t.Helper()
	client := newClient(t, dsn)
	defer client.Close()
	m, err := client.Do(context.Background(), client.B().Arbitrary(words...).Build()).ToMessage()
	require.NoError(t, err)
	return m
}

// names returns the names that the store of a DSN uses.
func names(t testing.TB, dsn string) []string {
	m := command(t, dsn, "KEYS", pattern(prefixOf(t, dsn)))
	list, err := m.AsStrSlice()
	require.NoError(t, err)
	return list
}

// neighbours returns two DSNs. One prefix begins with the other, or matches it as a pattern.
func neighbours(addr string) (a, b string) {
	n := prefixes.Add(1)
	first, second := []string{"app%d:", "a*%d:"}[n%2], []string{"app%d:2:", "ab%d:"}[n%2]
	return dsnOf(addr, fmt.Sprintf(first, n)), dsnOf(addr, fmt.Sprintf(second, n))
}

// dead returns the DSN of a server that accepts connections and never answers.
func dead(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return "redis://" + l.Addr().String()
}

// readOnly returns the DSN of a user who may read, and may call scripts.
func readOnly(t testing.TB) string {
	server := testserver.StartRedis(t)
	server.Do(t, strings.Fields("ACL SETUSER reader on >abc ~* +@read +@scripting")...)
	return "redis://reader:abc@" + server.Addr
}

// open returns a store of the driver, which ends with the test.
func open(t testing.TB, dsn string) *Store {
	t.Helper()
	s, err := Driver{}.Open(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s.(*Store)
}

func record(key string, ttl time.Duration) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(`{"items":3}`), Meta: []byte{1}, Created: now, Expires: now.Add(ttl), Subject: "user:1"}
}
