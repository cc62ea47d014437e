package main

import (
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gosession.dev/session/drivertest/netfault"
	"gosession.dev/session/internal/testserver"
)

// backend says how a driver is loaded, and which faults it gets.
type backend struct {
	name      string
	driver    string
	processes int
	tabs      int
	users     int
	slack     time.Duration // how much later than it was told it ends sessions
	pools     int           // pools of connections, one for each server; 0 means 1. SQLite counts as 2: each of its 16 connections has three files
	always    string        // why any session may be gone at any time, as documented, or ""
	clocked   bool          // the age of a mark depends on the clocks of two processes, as documented
	forgets   bool          // a server that is killed loses all sessions, as documented
	loses     bool          // two concurrent requests that change a session may lose one change, as documented
	prepare   func(*environment) (dsn string)
	faults    []fault
}

// environment has the files and servers of a backend.
type environment struct {
	*host
	dir     string // the application may write to it
	file    string // the SQLite database, or ""
	servers []*testserver.Server
	redis   testserver.Redis // is in servers, too, if there is one
	proxy   *netfault.Proxy
	moves   [2]string // the DSNs of the new MongoDB and the old SQLite
}

var (
	memoryFaults  = []fault{noFault, killed, stalled}
	processFaults = []fault{noFault, killed, stalled, clockFast, clockSlow}
	diskFaults    = append([]fault{readOnly, diskFull}, processFaults...)
	serverFaults  = append([]fault{frozen, serverDown, delayed, cut, refused, swallowed, reset, trickled}, processFaults...)
)

var backends = []backend{
	{name: "memory", driver: "memory", processes: 1, tabs: tabs, users: 8, prepare: noServer, faults: memoryFaults},
	{name: "sqlite", driver: "sqlite", pools: 2, processes: 3, tabs: tabs, users: 8, prepare: sqliteFile("NORMAL"), faults: diskFaults},
	{name: "sqlite-full", driver: "sqlite", pools: 2, processes: 3, tabs: tabs, users: 8, prepare: sqliteFile("FULL"), faults: diskFaults},
	{name: "memcache", driver: "memcache", processes: 3, tabs: tabs, users: 8, slack: memcachedStep, clocked: true, forgets: true, prepare: memcached, faults: serverFaults},
	{
		name: "memcache-3", driver: "memcache", pools: 3, processes: 3, tabs: tabs, users: 8, slack: memcachedStep, clocked: true, forgets: true, prepare: threeMemcached,
		faults: append([]fault{frozen, serverDown}, processFaults...),
	},
	{
		name: "memcache-small", driver: "memcache", processes: 3, tabs: tabs, users: 8, slack: memcachedStep, always: "evicted",
		prepare: smallMemcached, faults: []fault{noFault, stalled, memoryFull},
	},
	{name: "redis", driver: "redis", processes: 3, tabs: tabs, users: 8, forgets: true, prepare: redis(), faults: append([]fault{outOfMemory}, serverFaults...)},
	{name: "redis-aof", driver: "redis", processes: 3, tabs: tabs, users: 8, prepare: redis("--appendonly", "yes", "--appendfsync", "always"), faults: serverFaults},
	{name: "postgres", driver: "postgres", processes: 3, tabs: tabs, users: 8, prepare: postgres, faults: serverFaults},
	{name: "mysql", driver: "mysql", processes: 3, tabs: tabs, users: 8, prepare: mysql, faults: serverFaults},
	// FerretDB, the stand-in for MongoDB, serves some hundred requests per second.
	{name: "mongo", driver: "mongo", processes: 3, tabs: tabs, users: 1, clocked: true, prepare: mongo, faults: serverFaults},
	{name: "migrate", driver: "migrate", processes: 2, tabs: tabs, users: 1, prepare: sqliteToMongo, faults: []fault{noFault, everythingMoves}},
	// With sessions in cookies, lost updates show only if a browser sends one request at a time,
	// and overtaken requests only if it sends several: so there are two backends.
	{name: "cookie", driver: "cookie", processes: 3, tabs: 1, users: 8, prepare: cookie, faults: processFaults},
	{name: "cookie-tabs", driver: "cookie", processes: 3, tabs: tabs, users: 8, loses: true, prepare: cookie, faults: processFaults},
}

// memcachedStep is how much later than it was told memcached expires an item.
const memcachedStep = 3 * time.Second

func noServer(*environment) string { return "" }

func sqliteFile(synchronous string) func(*environment) string {
	return func(g *environment) string {
		g.file = filepath.Join(g.dir, "sessions.db")
		return "file:" + g.file + "?_synchronous=" + synchronous
	}
}

func memcached(g *environment) string {
	s := testserver.StartMemcached(g)
	g.servers = []*testserver.Server{s}
	g.proxy = netfault.Start(g, s.Addr)
	return g.proxy.Addr
}

func threeMemcached(g *environment) string {
	var addrs []string
	for range 3 {
		s := testserver.StartMemcached(g)
		g.servers, addrs = append(g.servers, s), append(addrs, s.Addr)
	}
	return strings.Join(addrs, ",")
}

func smallMemcached(g *environment) string {
	g.servers = []*testserver.Server{testserver.StartMemcached(g, "-m", "2")}
	return g.servers[0].Addr
}

// redis starts a Redis. Without arguments, it keeps its data in memory alone.
func redis(args ...string) func(*environment) string {
	return func(g *environment) string {
		g.redis = testserver.StartRedis(g, args...)
		g.servers = []*testserver.Server{g.redis.Server}
		return g.throughProxy("redis://" + g.redis.Addr)
	}
}

// postgres starts a PostgreSQL that loses no committed write if the machine fails.
func postgres(g *environment) string {
	p := testserver.StartPostgres(g)
	g.mayStop(p.Server, "SESSION_TEST_POSTGRES_DSN")
	return g.throughProxy(p.DSN(p.NewDatabase(g), ""))
}

// mysql starts a MariaDB that loses no committed write if the machine fails.
func mysql(g *environment) string {
	m := testserver.StartMariaDB(g)
	g.mayStop(m.Server, "SESSION_TEST_MYSQL_DSN")
	return g.throughProxy(m.DSN(m.NewDatabase(g), ""))
}

func mongo(g *environment) string {
	m := testserver.StartMongo(g)
	g.mayStop(m.Server, "SESSION_TEST_MONGO_URI")
	return g.throughProxy(m.DSN("soak", ""))
}

// mayStop makes s the server that the faults stop. It fails if s is nil: then the variable of the
// environment names a server that was running before.
func (g *environment) mayStop(s *testserver.Server, variable string) {
	if s == nil {
		g.Fatal("the soak test stops its server; unset " + variable)
	}
	g.servers = []*testserver.Server{s}
}

// throughProxy starts a proxy in front of the server, and returns the DSN with its address.
func (g *environment) throughProxy(dsn string) string {
	g.proxy = netfault.Start(g, g.servers[0].Addr)
	return strings.Replace(dsn, g.servers[0].Addr, g.proxy.Addr, 1)
}

// sqliteToMongo prepares a migration. The processes of its fleet are at two stages.
func sqliteToMongo(g *environment) string {
	to, from := mongo(g), sqliteFile("NORMAL")(g)
	g.moves = [2]string{to, from}
	return "new=mongo:" + url.PathEscape(to) + "&old=sqlite:" + url.PathEscape(from) + "&stage=prepare"
}

func cookie(g *environment) string {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	file := filepath.Join(g.dir, "secret")
	if err := os.WriteFile(file, []byte(base64.StdEncoding.EncodeToString(key)), 0o644); err != nil {
		g.Fatal(err)
	}
	return "secret_file=" + file + "&revocations=sqlite:file:" + filepath.Join(g.dir, "ended.db")
}
