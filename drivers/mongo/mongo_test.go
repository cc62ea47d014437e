package mongo

import (
	"context"
	"fmt"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/internal/testserver"
)

var databases atomic.Int64

// newDSN returns the DSN of a database that no other test uses.
func newDSN(m testserver.Mongo, params string) string {
	return m.DSN(fmt.Sprintf("t%d_%d", time.Now().UnixNano(), databases.Add(1)), params)
}

// testPage is the page size of the stores under test. With defaultPageSize the suite would store
// 10,000 records, and FerretDB reads all of them for each query.
const testPage = 100

// paged is Driver with small pages.
type paged struct{}

func (paged) Open(dsn string) (driver.Store, error) {
	s, err := Driver{}.Open(dsn)
	if err == nil {
		s.(*Store).pageSize = testPage
	}
	return s, err
}

func target(m testserver.Mongo, params string) drivertest.Target {
	tgt := drivertest.Target{
		Driver: paged{},
		DSN:    func(testing.TB) string { return newDSN(m, params) },
		BadDSN: []string{
			"", "localhost:27017/db", "mongodb://localhost:27017", "mongodb:///db", "mongodb://a:b:c@host/db",
			"mongodb://host/db?collection=", "mongodb://host/db?data=json", "mongodb://host/db?colection=x",
			"mongodb://host/db?w=0", "mongodb://host/db?readPreference=nearby", "mongodb://host/d.b", "mongodb://host,host/db",
			"mongodb://host/db?collection=.x", "mongodb://user@host/db", "mongodb+srv://a.b:1/db",
		},
		DeadDSN:     silent,
		ReadOnlyDSN: readOnly,
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer |
			drivertest.RenameTracker,
		Resolution: time.Millisecond,
		DownDSN: func(t testing.TB) (string, func()) {
			host, database, _ := strings.Cut(strings.TrimPrefix(newDSN(m, params), "mongodb://"), "/")
			addr, up := testserver.Later(t, host)
			return "mongodb://" + addr + "/" + database + "&serverSelectionTimeoutMS=2000&directConnection=true", up
		},
		Neighbours: func(testing.TB) (a, b string) {
			dsn := newDSN(m, params+"&collection=app")
			return dsn, dsn + []string{"2", ".marks", "_marks"}[databases.Load()%3]
		},
		Corrupt: map[string]func(t testing.TB, dsn, key string){
			"no data":           damage("$unset", "data", ""),
			"data is a number":  damage("$set", "data", 5),
			"meta is text":      damage("$set", "meta", "x"),
			"no meta":           damage("$unset", "meta", ""),
			"created is text":   damage("$set", "created", "x"),
			"no created":        damage("$unset", "created", ""),
			"expires is text":   damage("$set", "expires", "x"),
			"expires is number": damage("$set", "expires", int64(math.MaxInt64)),
			"no expires":        damage("$unset", "expires", ""),
			"expires is null":   damage("$set", "expires", nil),
			"no subject":        damage("$unset", "subject", ""),
			"version is text":   damage("$set", "version", "x"),
			"no version":        damage("$unset", "version", ""),
		},
		PageSize: testPage,
		Count: func(t testing.TB, dsn string) int {
			n, err := collection(t, dsn).CountDocuments(t.Context(), bson.D{})
			require.NoError(t, err)
			return int(n)
		},
	}
	if m.Server == nil {
		return tgt // SESSION_TEST_MONGO_URI names a server, which the test can't stop
	}
	tgt.Proxy = func(testing.TB) (string, func(addr string) string) {
		dsn := newDSN(m, params+"&serverSelectionTimeoutMS=5000") // for listings, which have no deadline
		return m.Addr, func(addr string) string { return strings.Replace(dsn, m.Addr, addr, 1) }
	}
	tgt.Restart = func(testing.TB, string) { m.Stop(); m.Start() }
	return tgt
}

// damage returns a function that changes a field of the document under a key.
func damage(operator, field string, value any) func(t testing.TB, dsn, key string) {
	return func(t testing.TB, dsn, key string) {
		change := bson.D{{Key: operator, Value: bson.D{{Key: field, Value: value}}}}
		result, err := collection(t, dsn).UpdateOne(t.Context(), under(key), change)
		require.NoError(t, err)
		require.EqualValues(t, 1, result.ModifiedCount)
	}
}

// collection returns the collection of a DSN, with a client of its own.
func collection(t testing.TB, text string) *mongo.Collection {
	d, err := parseDSN(text)
	require.NoError(t, err)
	coll, client, err := d.connect(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { client.Disconnect(context.Background()) })
	return coll
}

func TestConformance(t *testing.T) {
	m := testserver.StartMongo(t)
	t.Run("binary", func(t *testing.T) { drivertest.Run(t, target(m, "")) })
	t.Run("document", func(t *testing.T) {
		tgt := target(m, "data=document")
		tgt.Proxy, tgt.Restart = nil, nil // the format of the data makes no difference to the network
		drivertest.Run(t, tgt)
	})
}

func TestHistories(t *testing.T) {
	m := testserver.StartMongo(t)
	t.Run("binary", func(t *testing.T) { histories.Run(t, target(m, ""), 3*time.Second) })
	t.Run("document", func(t *testing.T) { histories.Run(t, target(m, "data=document"), 3*time.Second) })
}

// readOnly returns the DSN of a server whose user may read only.
func readOnly(t testing.TB) string {
	return "mongodb://" + replica(t, func(command bson.Raw) bson.D {
		switch names([]bson.Raw{command})[0] {
		case "insert", "update", "delete":
			return commandError(13)
		}
		return nil
	}) + "/db"
}

// silent returns the DSN of a server that accepts connections and never answers.
func silent(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "mongodb://" + l.Addr().String() + "/db?serverSelectionTimeoutMS=300"
}

func BenchmarkStore(b *testing.B) {
	drivertest.Bench(b, target(testserver.StartMongo(b), ""))
}

// BenchmarkOverhead compares the store with the client's own calls, on one document and with the
// same filters.
func BenchmarkOverhead(b *testing.B) {
	ctx := b.Context()
	st, err := Driver{}.Open(newDSN(testserver.StartMongo(b), ""))
	require.NoError(b, err)
	defer st.Close()
	s := st.(*Store)
	coll, err := s.ready(ctx)
	require.NoError(b, err)
	r := record("k")
	r.Data = make([]byte, 450)
	require.NoError(b, s.Create(ctx, r))
	find := func() (d document, err error) {
		err = coll.FindOne(ctx, under("k")).Decode(&d)
		return d, err
	}
	for _, bm := range []struct {
		name string
		do   func() error
	}{
		{"Find/raw", func() error { _, err := find(); return err }},
		{"Find/store", func() error { _, err := s.Retrieve(ctx, "k"); return err }},
		{"FindAndUpdate/raw", func() error {
			d, err := find()
			if err != nil {
				return err
			}
			filter := with(under("k"), append(live(), ofVersion(d.Version))...)
			d.Version++
			_, err = coll.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: d}})
			return err
		}},
		{"FindAndUpdate/store", func() error {
			r, err := s.Retrieve(ctx, "k")
			if err != nil {
				return err
			}
			return s.Flush(ctx, r)
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, bm.do())
			}
		})
	}
}
