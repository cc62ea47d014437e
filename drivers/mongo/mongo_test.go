package mongo

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/internal/testserver"
)

var databases atomic.Int64

// newDSN keeps the stores on a server apart.
func newDSN(m testserver.Mongo, params string) string {
	return m.DSN(fmt.Sprintf("t%d_%d", time.Now().UnixNano(), databases.Add(1)), params)
}

func target(t testing.TB, m testserver.Mongo, params string) drivertest.Target {
	return drivertest.Target{
		Driver: Driver{},
		DSN:    func(testing.TB) string { return newDSN(m, params) },
		BadDSN: []string{
			"", "localhost:27017/db", "mongodb://localhost:27017", "mongodb:///db", "mongodb://a:b:c@host/db",
			"mongodb://host/db?collection=", "mongodb://host/db?data=json", "mongodb://host/db?colection=x",
			"mongodb://host/db?w=0", "mongodb://host/db?readPreference=nearby",
		},
		DeadDSN: silent,
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer |
			drivertest.RenameTracker,
		Resolution: time.Millisecond,
	}
}

func TestConformance(t *testing.T) {
	m := testserver.StartMongo(t)
	t.Run("binary", func(t *testing.T) { drivertest.Run(t, target(t, m, "")) })
	t.Run("document", func(t *testing.T) { drivertest.Run(t, target(t, m, "data=document")) })
}

func TestHistories(t *testing.T) {
	m := testserver.StartMongo(t)
	t.Run("binary", func(t *testing.T) { drivertest.Histories(t, target(t, m, ""), 3*time.Second) })
	t.Run("document", func(t *testing.T) { drivertest.Histories(t, target(t, m, "data=document"), 3*time.Second) })
}

// silent is a server that accepts connections and never answers.
func silent(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "mongodb://" + l.Addr().String() + "/db?serverSelectionTimeoutMS=300"
}

func BenchmarkStore(b *testing.B) {
	drivertest.Bench(b, target(b, testserver.StartMongo(b), ""))
}

// BenchmarkOverhead sets the store beside the client's own calls, on one
// document and by the same filters.
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
