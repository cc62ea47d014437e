package bench

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"

	"gosession.dev/session/drivers/sqlstore"
)

// The kinds of work that a handler does with each library. A benchmark measures a whole request in
// process: the call of ServeHTTP, cookie included.
const (
	untouched = "untouched" // the handler does not ask for its session
	read      = "read"      // the handler reads one value
	write     = "write"     // the handler reads and changes one value
	signin    = "signin"    // the session gets a new ID
)

// sessionCount is the number of sessions that the requests use in turn.
const sessionCount = 1000

// library is a session library with one of its backends.
type library struct {
	name    string // library/backend
	maxSize int    // of a session in bytes; 0 means no limit

	// open returns a site whose sessions hold v. It ends with b.
	open func(b *testing.B, v values) site
}

// site has a handler for each kind of work that the library can do.
type site struct {
	create http.HandlerFunc // puts all values into a new session
	works  map[string]http.Handler
}

var libraries = []library{
	{name: "none/handler", open: openNone},
	{name: "none/select", open: openStatements(openSQLite("NORMAL"), sqlstore.SQLite)},
	{name: "none/select-full", open: openStatements(openSQLite("FULL"), sqlstore.SQLite)},
	{name: "none/select-postgres", open: openStatements(openPostgres, sqlstore.PostgreSQL)},
	{name: "none/select-mysql", open: openStatements(openMySQL, sqlstore.MySQL)},
	{name: "none/gomemcache", open: openMemcacheClient},
	{name: "none/rueidis", open: openRueidis(false)},
	{name: "none/rueidis-script", open: openRueidis(true)},
	{name: "none/mongo-driver", open: openMongoClient},
	{name: "session/memory", open: openSession("memory", noServer)},
	{name: "session/sqlite", open: openSession("sqlite", sqliteDSN("NORMAL"))},
	{name: "session/sqlite-full", open: openSession("sqlite", sqliteDSN("FULL"))},
	{name: "session/postgres", open: openSession("postgres", postgresDSN)},
	{name: "session/mysql", open: openSession("mysql", mysqlDSN)},
	{name: "session/memcache", open: openSession("memcache", startMemcached)},
	{name: "session/redis", open: openSession("redis", redisDSN)},
	{name: "session/mongo", open: openSession("mongo", mongoDSN)},
	{name: "session/cookie", open: openSession("cookie", secret), maxSize: 2000},
	{name: "scs/memstore", open: openSCS(scsMemory)},
	{name: "scs/sqlite3store", open: openSCS(scsSQLite("NORMAL"))},
	{name: "scs/sqlite3store-full", open: openSCS(scsSQLite("FULL"))},
	{name: "scs/postgresstore", open: openSCS(scsPostgres)},
	{name: "scs/pgxstore", open: openSCS(scsPGX)},
	{name: "scs/mysqlstore", open: openSCS(scsMySQL)},
	{name: "scs/mongodbstore", open: openSCS(scsMongo)},
	{name: "scs/goredisstore", open: openSCS(scsGoRedis)},
	{name: "gorilla/cookie", open: openGorilla(gorillaCookie), maxSize: 2000},
	{name: "gorilla/filesystem", open: openGorilla(gorillaFiles)},
	{name: "gorilla/redistore", open: openGorilla(gorillaRedis)},
	{name: "gin/memstore", open: openGin(ginMemory)},
	{name: "gin/cookie", open: openGin(ginCookie), maxSize: 2000},
	{name: "gin/memcached", open: openGin(ginMemcached), maxSize: 2000},
	{name: "gin/postgres", open: openGin(ginPostgres), maxSize: 2000},
	{name: "gin/redis", open: openGin(ginRedis)},
	{name: "gin/mongo", open: openGin(ginMongo), maxSize: 2000},
	{name: "beego/memory", open: openBeego("memory", noServer)},
	{name: "beego/memcache", open: openBeego("memcache", startMemcached)},
}

var sizes = []struct {
	name  string
	bytes int
}{{"450B", 450}, {"4KB", 4 << 10}, {"64KB", 64 << 10}}

// TestMain sets a default benchtime with which all benchmarks end within go test's default timeout
// of ten minutes.
func TestMain(m *testing.M) {
	flag.Parse()
	isSet := false
	flag.Visit(func(f *flag.Flag) { isSet = isSet || f.Name == "test.benchtime" })
	if !isSet {
		_ = flag.Set("test.benchtime", "150ms")
	}
	os.Exit(m.Run())
}

func BenchmarkRequest(b *testing.B) {
	for _, lib := range libraries {
		b.Run(lib.name, lib.bench)
	}
}

func (lib library) bench(b *testing.B) {
	var opened []*visitors // one for each size
	for _, size := range sizes {
		if lib.maxSize == 0 || size.bytes <= lib.maxSize {
			opened = append(opened, visit(b, lib.open(b, newValues(size.bytes))))
		}
	}
	for _, work := range []string{untouched, read, write, signin} {
		for i, v := range opened {
			for _, goroutines := range []int{1, 16} {
				if v.site.works[work] != nil {
					b.Run(fmt.Sprintf("%s/%s/%d", work, sizes[i].name, goroutines), func(b *testing.B) {
						v.request(b, work, goroutines)
					})
				}
			}
		}
	}
}

// visitors are the clients of a site. Each has the cookie of its session.
type visitors struct {
	site    site
	cookies [sessionCount]string
}

func visit(b *testing.B, s site) *visitors {
	v := &visitors{site: s}
	const goroutines = 16 // so that the store opens its connections before it is measured
	var all sync.WaitGroup
	for first := range goroutines {
		all.Go(func() {
			for i := first; i < sessionCount && !b.Failed(); i += goroutines {
				c := newClient(b.Context())
				s.create(c, c.request)
				v.cookies[i] = c.newCookie()
				if c.status != http.StatusOK || v.cookies[i] == "" {
					b.Errorf("create = status %d, body %q, cookie %q; want 200 and a cookie", c.status, c.body, v.cookies[i])
				}
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return v
}

// request measures one kind of work. Each goroutine sends the requests of its own part of the
// visitors, in turn.
func (v *visitors) request(b *testing.B, work string, goroutines int) {
	handler := v.site.works[work]
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for first := range goroutines {
		all.Go(func() {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			c := newClient(ctx)
			for i := first; i < b.N; i += goroutines {
				cookie := &v.cookies[i%(sessionCount/goroutines*goroutines)]
				c.reset(*cookie)
				handler.ServeHTTP(c, c.request)
				if c.status != http.StatusOK {
					b.Errorf("%s = status %d, body %q; want 200", work, c.status, c.body)
					return
				}
				if work == signin {
					*cookie = c.newCookie()
				}
			}
		})
	}
	all.Wait()
}
