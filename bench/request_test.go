package bench

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
)

// Each library does the same work as a handler. What is measured is a whole
// request through it, in process: from ServeHTTP to its return, cookie included.
const (
	untouched = "untouched" // the handler never asks for its session
	read      = "read"      // one value
	write     = "write"     // one value is read and changed
	signin    = "signin"    // the session gets a new ID
)

// sessionCount is how many sessions the requests take in turn.
const sessionCount = 1000

// library is one way to have sessions.
type library struct {
	name    string // and, behind a slash, its backend
	maxSize int    // of a session, in bytes, where there is a limit: a browser's, or securecookie's

	// open makes what serves the requests of sessions that hold those values, and
	// closes it with b.
	open func(b *testing.B, v values) site
}

// site has a handler for each kind of work that the library can do.
type site struct {
	create http.HandlerFunc // puts all values into a new session, if there are sessions
	works  map[string]http.Handler
}

var libraries = []library{
	{name: "none/handler", open: openNone},
	{name: "none/select", open: openStatements("NORMAL")},
	{name: "none/select-full", open: openStatements("FULL")},
	{name: "none/gomemcache", open: openMemcacheClient},
	{name: "none/mongo-driver", open: openMongoClient},
	{name: "session/memory", open: openSession("memory", noServer)},
	{name: "session/sqlite", open: openSession("sqlite", sqliteDSN("NORMAL"))},
	{name: "session/sqlite-full", open: openSession("sqlite", sqliteDSN("FULL"))},
	{name: "session/memcache", open: openSession("memcache", startMemcached)},
	{name: "session/mongo", open: openSession("mongo", mongoDSN)},
	{name: "session/cookie", open: openSession("cookie", secret), maxSize: 2000},
	{name: "scs/memstore", open: openSCS(scsMemory)},
	{name: "scs/sqlite3store", open: openSCS(scsSQLite("NORMAL"))},
	{name: "scs/sqlite3store-full", open: openSCS(scsSQLite("FULL"))},
	{name: "scs/mongodbstore", open: openSCS(scsMongo)},
	{name: "gorilla/cookie", open: openGorilla(gorillaCookie), maxSize: 2000},
	{name: "gorilla/filesystem", open: openGorilla(gorillaFiles)},
	{name: "gin/memstore", open: openGin(ginMemory)},
	{name: "gin/cookie", open: openGin(ginCookie), maxSize: 2000},
	{name: "gin/memcached", open: openGin(ginMemcached), maxSize: 2000},
	{name: "gin/mongo", open: openGin(ginMongo), maxSize: 2000},
	{name: "beego/memory", open: openBeego("memory", noServer)},
	{name: "beego/memcache", open: openBeego("memcache", startMemcached)},
}

var sizes = []struct {
	name  string
	bytes int
}{{"450B", 450}, {"4KB", 4 << 10}, {"64KB", 64 << 10}}

// TestMain lets the whole of it end within go test's ten minutes, unless the caller
// says by how much.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.benchtime" })
	if !given {
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

// visitors are the clients of a site, each with the cookie of its session.
type visitors struct {
	site    site
	cookies [sessionCount]string
}

func visit(b *testing.B, s site) *visitors {
	v := &visitors{site: s}
	for i := range v.cookies {
		c := newClient()
		s.create(c, c.request)
		v.cookies[i] = c.newCookie()
		if c.status != http.StatusOK || v.cookies[i] == "" {
			b.Fatalf("create = status %d, cookie %q", c.status, v.cookies[i])
		}
	}
	return v
}

// request measures one kind of work: each goroutine serves its own part of the
// visitors, in turn.
func (v *visitors) request(b *testing.B, work string, goroutines int) {
	handler := v.site.works[work]
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for first := range goroutines {
		all.Go(func() {
			c := newClient()
			for i := first; i < b.N; i += goroutines {
				cookie := &v.cookies[i%(sessionCount/goroutines*goroutines)]
				c.reset(*cookie)
				handler.ServeHTTP(c, c.request)
				if c.status != http.StatusOK {
					b.Errorf("%s = status %d, body %q", work, c.status, c.body)
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
