package mongo

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// An operator can query and change values that are stored as a document, and the session gets its
// values back as they were.
func TestDataAsDocument(t *testing.T) {
	ctx := t.Context()
	dsn := newDSN(testserver.StartMongo(t), "data=document")
	f, err := session.Open("mongo", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	s, err := f.Create(ctx)
	require.NoError(t, err)
	values := map[string]any{
		"cart":      map[string]any{"items": 3, "total": 12.5, "of": []any{}, "notes": map[string]any{}, "gift": nil},
		"big":       int64(math.MaxInt64),
		"small":     int64(math.MinInt64),
		"pi":        math.Pi,
		"tiny":      math.SmallestNonzeroFloat64,
		"nothing":   nil,
		"yes":       true,
		"a.b":       map[string]any{"c.d": 1, "$set": 2, "%2E": 3, "": 4, "$": 5},
		"text":      "<a href=\"x\">ü\u2028\x00</a>",
		"bytes":     []byte{0, 1, 255},
		"time":      time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		"mixed":     []any{1, "two", 3.5, nil, map[string]any{"x": []any{1}}},
		"_id":       "not MongoDB's",
		"ключ":      "значение",
		"$where":    "1",
		"key":       "k",
		"negative":  -0.25,
		"exponents": []float64{1e21, 1e-7, 1e300},
	}
	for key, value := range values {
		require.NoError(t, s.Set(key, value))
	}
	require.NoError(t, s.Flush(ctx))

	again, err := f.Retrieve(ctx, s.ID())
	require.NoError(t, err)
	for key, want := range values {
		got, err := session.Get[json.RawMessage](again, key)
		require.NoError(t, err, key)
		text, err := json.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, string(text), string(got), key)
	}

	st, err := Driver{}.Open(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	coll, err := st.(*Store).ready(ctx)
	require.NoError(t, err)
	for _, query := range []bson.D{
		{{Key: "data.cart.items", Value: 3}},
		{{Key: "data.cart.total", Value: bson.D{{Key: "$gt", Value: 12}}}},
		{{Key: "data.big", Value: int64(math.MaxInt64)}},
		{{Key: "data.yes", Value: true}, {Key: "data._id", Value: "not MongoDB's"}},
	} {
		n, err := coll.CountDocuments(ctx, query)
		require.NoError(t, err)
		require.EqualValues(t, 1, n, query)
	}

	// Changes by other means.
	_, err = coll.UpdateMany(ctx, bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "data.cart.items", Value: int32(4)}, {Key: "version", Value: int64(1)}}}})
	require.NoError(t, err)
	again, err = f.Retrieve(ctx, s.ID())
	require.NoError(t, err)
	cart, err := session.Get[struct{ Items int }](again, "cart")
	require.NoError(t, err)
	require.Equal(t, 4, cart.Items)
	_, err = coll.UpdateMany(ctx, bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "data.when", Value: time.Now()}}}})
	require.NoError(t, err)
	_, err = f.Retrieve(ctx, s.ID())
	require.ErrorIs(t, err, session.ErrCorrupt)
	require.ErrorContains(t, err, "which is not JSON")
}

// Data that no document holds byte for byte is stored as binary. A store with data=document and one
// with data=binary read each other's records.
func TestDataThatIsNoDocument(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMongo(t)
	dsn := newDSN(m, "")
	stores := map[bool]driver.Store{}
	for _, asDocument := range []bool{true, false} {
		st, err := Driver{}.Open(dsn + map[bool]string{true: "data=document", false: "data=binary"}[asDocument])
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		stores[asDocument] = st
	}
	nested := os.Getenv("SESSION_TEST_MONGO_URI") != "" // FerretDB does not support nested arrays
	deep := strings.Repeat(`{"a":`, 95) + "1" + strings.Repeat("}", 95)
	for data, isDocument := range map[string]bool{
		`{}`:                         true,
		`{"a":[[[1]],[]]}`:           nested,
		`{"a":{"b":[1,2,{}]}}`:       true,
		`{"n":9007199254740993}`:     true,
		`{"n":18446744073709551615}`: false,
		`{"n":1.50}`:                 false,
		`{"n":1e400}`:                false,
		`{"n":1.0e1}`:                false,
		`{"a":1,"a":2}`:              false,
		`{"a": 1}`:                   false,
		`{"a":"\u0041"}`:             false,
		`{"a":1}{}`:                  false,
		"{\"a\":\"\xff\"}":           false,
		`[1]`:                        false,
		`null`:                       false,
		``:                           false,
		"\x00\x01":                   false,
		deep:                         false,
	} {
		for asDocument, st := range stores {
			r := record("k")
			r.Data = []byte(data)
			require.NoError(t, st.Create(ctx, r), data)
			coll, err := st.(*Store).ready(ctx)
			require.NoError(t, err)
			var stored struct{ Data bson.RawValue }
			require.NoError(t, coll.FindOne(ctx, bson.D{{Key: "key", Value: "k"}}).Decode(&stored))
			require.Equal(t, asDocument && isDocument, stored.Data.Type == bson.TypeEmbeddedDocument, data)
			got, err := stores[!asDocument].Retrieve(ctx, "k")
			require.NoError(t, err)
			require.Equal(t, data, string(got.Data))
			require.NoError(t, st.Destroy(ctx, "k"))
		}
	}
}

// fromJSON returns no document, or one that appendJSON turns back into the same bytes.
func FuzzFromJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a.b":{"$c":[1,2.5,null,true,"x"]},"":1e21}`, `{"a":-0}`, `{"%24":"$"}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		raw, ok := fromJSON(data)
		if !ok {
			return
		}
		require.NoError(t, raw.Validate())
		back, err := appendJSON(nil, raw)
		require.NoError(t, err)
		require.Equal(t, string(data), string(back))
	})
}

// appendJSON does not panic, and returns valid JSON or an error.
func FuzzAppendJSON(f *testing.F) {
	raw, _ := fromJSON([]byte(`{"a":[1,"x",null,{"b":2.5}],"c":9007199254740993}`))
	f.Add([]byte(raw))
	f.Add([]byte("7\x00\x00\x00\x04\x002\x00\x00\x00\x120\x0000000000\x020\x00\x00\x00\x00\x00\x020\x00\x02\x00\x00\x0000\n0000\x00\x100\x000000\n000\x000\x00000000000000000"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if text, err := appendJSON(nil, data); err == nil {
			require.True(t, json.Valid(text))
		}
	})
}

// No document makes decode, youngest or judge panic.
func FuzzDecode(f *testing.F) {
	now := time.Now()
	for _, d := range []any{
		document{Key: "k", Data: encodeBinary([]byte("x")), Meta: []byte{1}, Created: now, Expires: now.Add(time.Hour), Subject: "ada", Version: 1},
		mark{Key: "k", To: "n", At: now},
		bson.D{{Key: "key", Value: "n"}, {Key: "was", Value: former{Key: "k", At: now}}},
	} {
		raw, err := bson.Marshal(d)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decode("k", data, now)
		require.Equal(t, err == nil, r != nil)
		rename, err := youngest("k", []bson.Raw{data}, now)
		require.Equal(t, err == nil, rename.To != "")
		b, err := judge("k", "n", []bson.Raw{data}, now)
		require.Equal(t, err == nil, b.current || b.taken)
	})
}

func TestTooLarge(t *testing.T) {
	ctx := t.Context()
	m := testserver.StartMongo(t)
	for params, data := range map[string]func(size int) []byte{
		"data=binary":   func(size int) []byte { return make([]byte, size) },
		"data=document": func(size int) []byte { return []byte(`{"a":"` + strings.Repeat("x", size-8) + `"}`) },
	} {
		st, err := Driver{}.Open(newDSN(m, params))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		r := record("k")
		require.NoError(t, st.Create(ctx, r))
		for _, size := range []int{16<<20 - 100, 17 << 20} {
			r.Data = data(size)
			err := st.Flush(ctx, r)
			require.ErrorIs(t, err, driver.ErrTooLarge)
			require.ErrorContains(t, err, "16777216")
			require.ErrorIs(t, st.Create(ctx, &driver.Record{Key: "n", Data: r.Data, Created: r.Created, Expires: r.Expires}), driver.ErrTooLarge)
		}
		got, err := st.Retrieve(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, `{"a":1}`, string(got.Data), "the stored record is intact")
		r.Data = data(16<<20 - 1000)
		if params == "data=binary" { // FerretDB is slow with large documents
			require.NoError(t, st.Flush(ctx, r), "Flush of a record just below the limit")
		}
	}

	// In a document, small numbers take nine times as much space as in JSON.
	s := newStore(nil, Options{DataAsDocument: true})
	data := []byte(`{"a":[0` + strings.Repeat(",0", 1000) + `]}`)
	require.Equal(t, bson.TypeEmbeddedDocument, s.encodeData(data, 20_000).Type)
	require.Equal(t, bson.TypeBinary, s.encodeData(data, 10_000).Type)
}

// A document that cannot be decoded is ErrCorrupt, not absent and not an outage. It stays until
// Destroy removes it, and is not listed.
func TestCorrupt(t *testing.T) {
	ctx := t.Context()
	s, _, coll := openColl(t)
	at := 0
	for field, values := range map[string][]any{
		"data":    {5, "x", nil},
		"meta":    {"x", nil},
		"created": {"x", int64(5), nil},
		"expires": {"x", int64(math.MaxInt64), nil},
		"subject": {5, nil},
		"version": {"x", nil},
	} {
		for _, value := range values {
			at++
			r := record(fmt.Sprintf("k%d", at))
			r.Subject = "ada"
			require.NoError(t, s.Create(ctx, r))
			change := bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: value}}}}
			if value == nil {
				change = bson.D{{Key: "$unset", Value: bson.D{{Key: field, Value: ""}}}}
			}
			_, err := coll.UpdateOne(ctx, under(r.Key), change)
			require.NoError(t, err)
			before, err := coll.FindOne(ctx, under(r.Key)).Raw()
			require.NoError(t, err)

			msg := fmt.Sprintf("%s: %v", field, value)
			_, err = s.Retrieve(ctx, r.Key)
			require.ErrorIs(t, err, driver.ErrCorrupt, msg)
			require.ErrorIs(t, s.Flush(ctx, r), driver.ErrCorrupt, msg)
			require.ErrorIs(t, s.Touch(ctx, r.Key, time.Now().Add(time.Hour)), driver.ErrCorrupt, msg)
			moved := *r
			moved.Key += "-moved"
			require.ErrorIs(t, s.ChangeID(ctx, r.Key, &moved), driver.ErrCorrupt, msg)
			require.ErrorIs(t, s.Create(ctx, record(r.Key)), driver.ErrExists, msg)
			for key, err := range s.Sessions(ctx) {
				t.Fatalf("%s: Sessions yields %q, %v; want nothing", msg, key, err)
			}
			for key, err := range s.SubjectSessions(ctx, "ada") {
				t.Fatalf("%s: SubjectSessions yields %q, %v; want nothing", msg, key, err)
			}
			requireNotRenamed(t, s, r.Key)
			_, err = s.DeleteExpired(ctx)
			require.NoError(t, err, msg)
			after, err := coll.FindOne(ctx, under(r.Key)).Raw()
			require.NoError(t, err)
			require.Equal(t, before, after, msg)
			require.NoError(t, s.Destroy(ctx, r.Key), msg)
			_, err = s.Retrieve(ctx, r.Key)
			require.ErrorIs(t, err, driver.ErrNotFound)
		}
	}
}

// The store reads and changes a document that version 0.1 has stored.
func TestDocumentOfVersion01(t *testing.T) {
	ctx := t.Context()
	s, _, coll := openColl(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	_, err := coll.InsertOne(ctx, bson.D{
		{Key: "key", Value: "a"}, {Key: "data", Value: []byte("x")}, {Key: "meta", Value: []byte{}}, {Key: "created", Value: now},
		{Key: "expires", Value: now.Add(time.Hour)}, {Key: "subject", Value: ""}, {Key: "version", Value: int64(-3)},
	})
	require.NoError(t, err)
	r, err := s.Retrieve(ctx, "a")
	require.NoError(t, err)
	version := int64(-3)
	require.Equal(t, &driver.Record{Key: "a", Data: []byte("x"), Meta: []byte{}, Created: now, Expires: now.Add(time.Hour), Version: uint64(version)}, r)
	requireNotRenamed(t, s, "a", "b")
	change(t, s, r, "b")
	requireRenamed(t, s, "a", "b")
	require.NoError(t, s.Flush(ctx, r))
}

func TestDSN(t *testing.T) {
	d, err := parseDSN("mongodb://ada:s%40cret@a:1,b:2/shop?replicaSet=rs&collection=s%2Fx&data=document&w=2")
	require.NoError(t, err)
	require.Equal(t, dsn{
		uri:        "mongodb://ada:s%40cret@a:1,b:2/shop?replicaSet=rs&w=2",
		database:   "shop",
		collection: "s/x",
		options:    Options{DataAsDocument: true},
	}, d)
	d, err = parseDSN("mongodb://a/db")
	require.NoError(t, err)
	require.Equal(t, dsn{uri: "mongodb://a/db", database: "db", collection: "sessions"}, d)
}

func FuzzDSN(f *testing.F) {
	f.Add("mongodb://ada:secret@a:1,b:2/shop?replicaSet=rs&collection=s&data=document&w=2")
	f.Fuzz(func(t *testing.T, dsn string) {
		if strings.Contains(dsn, "=/") { // may name a file
			return
		}
		if d, err := parseDSN(dsn); err == nil {
			require.NotEmpty(t, d.database)
			require.NotEmpty(t, d.collection)
		}
	})
}
