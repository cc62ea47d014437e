package mongo

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// The store uses an existing index with the properties that it needs, whatever its name. If the index
// lacks them, every call says which index to drop, and succeeds after that.
func TestExistingIndexes(t *testing.T) {
	m := testserver.StartMongo(t)
	named := func(name string) *options.IndexOptionsBuilder { return options.Index().SetName(name) }
	for name, tt := range map[string]struct {
		fields []string
		o      *options.IndexOptionsBuilder
		want   string
	}{
		"key, by another name":     {[]string{"key"}, named("mine").SetUnique(true), ""},
		"key, not unique":          {[]string{"key"}, named("mine"), "index on key, but the store needs one that is unique"},
		"name of key on x":         {[]string{"x"}, named("key_1"), ""},
		"subject, by another name": {[]string{"subject", "key"}, named("mine"), ""},
		"name of subject on x":     {[]string{"x"}, named("subject_1_key_1"), ""},
		"expires, by another name": {[]string{"expires"}, named("mine"), ""},
		"name of expires on x":     {[]string{"x"}, named("expires_1"), ""},
		"expires, unique":          {[]string{"expires"}, named("mine").SetUnique(true), ""},
		"name of at on x":          {[]string{"x"}, named("at_1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s := openMonitored(t, newDSN(m, ""), nil)
			coll, err := s.connected(ctx)
			require.NoError(t, err)
			_, err = coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: ascending(tt.fields...), Options: tt.o})
			require.NoError(t, err)
			err = s.Ping(ctx)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				isOutage(t, err, name)
				all, err := existing(ctx, coll, tt.fields)
				require.NoError(t, err)
				require.NoError(t, coll.Indexes().DropOne(ctx, all[0].Lookup("name").StringValue()))
				require.NoError(t, s.Ping(ctx))
			}
			require.NoError(t, s.Ping(ctx))
			r := record("a")
			require.NoError(t, s.Create(ctx, r))
			require.ErrorIs(t, s.Create(ctx, record("a")), driver.ErrExists)
			r.Key = "b"
			require.NoError(t, s.ChangeID(ctx, "a", r))
			require.ErrorIs(t, s.Create(ctx, record("a")), driver.ErrExists, "Create onto a mark")
			dead := record("dead")
			dead.Expires = time.Now()
			require.NoError(t, s.Create(ctx, dead))
			n, err := s.DeleteExpired(ctx)
			require.NoError(t, err)
			require.True(t, n == 1 || s.ttlRecords.Load())
		})
	}
}

// The store refuses a collection of other documents, and the error says so.
func TestCollectionOfOtherDocuments(t *testing.T) {
	ctx := t.Context()
	s := openMonitored(t, newDSN(testserver.StartMongo(t), ""), nil)
	coll, err := s.connected(ctx)
	require.NoError(t, err)
	for range 2 {
		_, err = coll.InsertOne(ctx, bson.D{{Key: "key", Value: "canary"}})
		require.NoError(t, err)
	}
	err = s.Ping(ctx)
	require.ErrorContains(t, err, "give the store a collection of its own")
	isOutage(t, err, "")
}

// The store handles MongoDB's answers about existing indexes. FerretDB does not give them: to it, an
// index of the same name with other options is the same, and it does not list whether one is sparse.
func TestExistingUniqueIndexes(t *testing.T) {
	unique, sparse := bson.E{Key: "unique", Value: true}, bson.E{Key: "sparse", Value: true}
	partial := bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: "x", Value: 1}}}
	collated := bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "de"}, {Key: "strength", Value: 1}}}
	for name, tt := range map[string]struct {
		field   string
		options bson.D
		serves  bool
	}{
		"key":                     {"key", bson.D{unique}, true},
		"key, sparse":             {"key", bson.D{unique, sparse}, true},
		"key, not unique":         {"key", nil, false},
		"key, partial":            {"key", bson.D{unique, partial}, false},
		"key, with a collation":   {"key", bson.D{unique, collated}, false},
		"was":                     {"was.key", bson.D{unique, sparse}, true},
		"was, not sparse":         {"was.key", bson.D{unique}, false},
		"was, sparse, not unique": {"was.key", bson.D{sparse}, false},
	} {
		for _, allowsBoth := range []bool{false, true} { // MongoDB may allow a second index on the field
			created := 0
			s, _ := openRecorded(t, "mongodb://"+replica(t, func(command bson.Raw) bson.D {
				switch names([]bson.Raw{command})[0] {
				case "createIndexes":
					keys, _ := command.Lookup("indexes", "0", "key").DocumentOK()
					if elements, _ := keys.Elements(); len(elements) != 1 || elements[0].Key() != tt.field {
						return nil
					}
					if created++; created > 1 && allowsBoth {
						return nil
					}
					return commandError(codeIndexKeySpecsConflict)
				case "listIndexes":
					return found(append(bson.D{{Key: "name", Value: "canary"}, {Key: "key", Value: bson.D{{Key: tt.field, Value: 1}}}}, tt.options...))
				}
				return nil
			})+"/db")
			err := s.Ping(t.Context())
			if tt.serves || allowsBoth {
				require.NoError(t, err, name)
				require.Equal(t, map[bool]int{true: 1, false: 2}[tt.serves], created, name)
				continue
			}
			require.ErrorContains(t, err, "index on "+tt.field+", but the store needs one that is unique", name)
			isOutage(t, err, name)
		}
	}
}

// If the server does not remove documents by an existing index, DeleteExpired does. The store refuses
// an index that removes marks too early.
func TestExistingTTLIndexes(t *testing.T) {
	index := func(field string, more ...bson.E) bson.D {
		return append(bson.D{{Key: "v", Value: 2}, {Key: "name", Value: "mine"}, {Key: "key", Value: bson.D{{Key: field, Value: 1.0}}}}, more...)
	}
	after := func(seconds any) bson.E { return bson.E{Key: "expireAfterSeconds", Value: seconds} }
	for name, tt := range map[string]struct {
		existing bson.D
		deletes  bool // whether DeleteExpired deletes
		want     string
	}{
		"the same, by another name": {index("expires", after(0)), false, ""},
		"the same, as a double":     {index("expires", after(0.0)), false, ""},
		"plain":                     {index("expires"), true, ""},
		"later":                     {index("expires", after(3600)), true, ""},
		"partial":                   {index("expires", after(0), bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: "x", Value: 1}}}), true, ""},
		"descending":                {bson.D{{Key: "key", Value: bson.D{{Key: "expires", Value: -1}}}}, true, "index on expires"},
		"of marks, the same":        {index("at", after(int64(markKept/time.Second))), false, ""},
		"of marks, plain":           {index("at"), true, ""},
		"of marks, too early":       {index("at", after(60)), false, "index on at, but the store needs one that has no expireAfterSeconds, or at least 660"},
		"of marks, longer":          {index("at", after(3600)), true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			field := "expires"
			if strings.Contains(name, "marks") {
				field = "at"
			}
			s, sent := openRecorded(t, "mongodb://"+replica(t, func(command bson.Raw) bson.D {
				switch names([]bson.Raw{command})[0] {
				case "createIndexes":
					if _, err := command.LookupErr("indexes", "0", "key", field); err == nil {
						return commandError(codeIndexOptionsConflict)
					}
				case "listIndexes":
					return found(tt.existing)
				}
				return nil
			})+"/db")
			err := s.Ping(t.Context())
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				isOutage(t, err, name)
				return
			}
			require.NoError(t, err)
			sent.take()
			_, err = s.DeleteExpired(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.deletes, len(sent.take()) > 0)
		})
	}
}
