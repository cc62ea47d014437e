package main

import (
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gosession.dev/session/internal/testserver"
)

// backend is a driver, and how it is loaded and harmed.
type backend struct {
	name      string
	driver    string
	processes int
	tabs      int
	users     int
	slack     time.Duration // by which it ends sessions too late
	pools     int           // of connections, one for each server; 0 is 1. SQLite's 16 have three files each, and count as two
	always    string        // why any session may be gone at any time, as documented
	clocked   bool          // the age of a mark is the difference between two processes' clocks, as documented
	loses     bool          // of two requests at once that change a session one may lose its change, as documented
	prepare   func(*ground) (dsn string)
	faults    []fault
}

// ground is what a backend stands on.
type ground struct {
	*host
	dir     string // that the application may write to
	file    string // of the database
	servers []*testserver.Server
	proxy   *testserver.Proxy
	moves   [2]string // the DSNs of the new MongoDB and the old SQLite
}

var (
	inProcess = []fault{nothing, killed, stalled}
	anywhere  = []fault{nothing, killed, stalled, clockFast, clockSlow}
	onDisk    = append([]fault{readOnly, diskFull}, anywhere...)
	atServer  = append([]fault{frozen, serverDown, delayed, cut, refused, swallowed, reset, trickled}, anywhere...)
)

var backends = []backend{
	{name: "memory", driver: "memory", processes: 1, tabs: tabs, users: 8, prepare: noServer, faults: inProcess},
	{name: "sqlite", driver: "sqlite", pools: 2, processes: 3, tabs: tabs, users: 8, prepare: sqliteFile("NORMAL"), faults: onDisk},
	{name: "sqlite-full", driver: "sqlite", pools: 2, processes: 3, tabs: tabs, users: 8, prepare: sqliteFile("FULL"), faults: onDisk},
	{name: "memcache", driver: "memcache", processes: 3, tabs: tabs, users: 8, slack: memcachedStep, clocked: true, prepare: memcached, faults: atServer},
	{
		name: "memcache-3", driver: "memcache", pools: 3, processes: 3, tabs: tabs, users: 8, slack: memcachedStep, clocked: true, prepare: threeMemcached,
		faults: append([]fault{frozen, serverDown}, anywhere...),
	},
	{
		name: "memcache-small", driver: "memcache", processes: 3, tabs: tabs, users: 8, slack: memcachedStep, always: "evicted",
		prepare: smallMemcached, faults: []fault{nothing, stalled, crowded},
	},
	// FerretDB, which stands for MongoDB, serves some hundred requests a second.
	{name: "mongo", driver: "mongo", processes: 3, tabs: tabs, users: 1, prepare: mongo, faults: atServer},
	{name: "migrate", driver: "migrate", processes: 2, tabs: tabs, users: 1, prepare: sqliteToMongo, faults: []fault{nothing, everythingMoves}},
	// To know what is lost of sessions in cookies there must be one request at a time, and
	// to have a sign-in overtake one there must be several.
	{name: "cookie", driver: "cookie", processes: 3, tabs: 1, users: 8, prepare: cookie, faults: anywhere},
	{name: "cookie-tabs", driver: "cookie", processes: 3, tabs: tabs, users: 8, loses: true, prepare: cookie, faults: anywhere},
}

// memcachedStep is by how much memcached ends items later than it was told.
const memcachedStep = 3 * time.Second

func noServer(*ground) string { return "" }

func sqliteFile(synchronous string) func(*ground) string {
	return func(g *ground) string {
		g.file = filepath.Join(g.dir, "sessions.db")
		return "file:" + g.file + "?_synchronous=" + synchronous
	}
}

func memcached(g *ground) string {
	s := testserver.StartMemcached(g)
	g.servers = []*testserver.Server{s}
	g.proxy = testserver.StartProxy(g, s.Addr)
	return g.proxy.Addr
}

func threeMemcached(g *ground) string {
	var addrs []string
	for range 3 {
		s := testserver.StartMemcached(g)
		g.servers, addrs = append(g.servers, s), append(addrs, s.Addr)
	}
	return strings.Join(addrs, ",")
}

func smallMemcached(g *ground) string {
	g.servers = []*testserver.Server{testserver.StartMemcached(g, "-m", "2")}
	return g.servers[0].Addr
}

func mongo(g *ground) string {
	m := testserver.StartMongo(g)
	if m.Server == nil {
		g.Fatal("the soak test stops its server; unset SESSION_TEST_MONGO_URI")
	}
	g.servers = []*testserver.Server{m.Server}
	g.proxy = testserver.StartProxy(g, m.Addr)
	return testserver.Mongo{URI: "mongodb://" + g.proxy.Addr}.DSN("soak", "")
}

// sqliteToMongo is a fleet that changes its backend, whose processes are at two stages.
func sqliteToMongo(g *ground) string {
	to, from := mongo(g), sqliteFile("NORMAL")(g)
	g.moves = [2]string{to, from}
	return "new=mongo:" + url.PathEscape(to) + "&old=sqlite:" + url.PathEscape(from) + "&stage=prepare"
}

func cookie(g *ground) string {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	file := filepath.Join(g.dir, "secret")
	if err := os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(key)), 0o644); err != nil {
		g.Fatal(err)
	}
	return "secret_file=" + file + "&revocations=sqlite:file:" + filepath.Join(g.dir, "ended.db")
}
