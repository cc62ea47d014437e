package mongo

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// index is an index that the collection needs.
type index struct {
	fields  []string
	options func() *options.IndexOptionsBuilder
	needs   string                       // what serves checks, for the error "the store needs one that ..."
	serves  func(existing bson.Raw) bool // reports whether an existing index on the fields will do
}

// createIndexes creates the indexes that do not exist. An existing index serves whatever its name.
func (s *Store) createIndexes(ctx context.Context, coll *mongo.Collection) error {
	for _, x := range []index{ // one command each: FerretDB fails if one command creates several
		{[]string{"key"}, func() *options.IndexOptionsBuilder { return options.Index().SetUnique(true) },
			"is unique, has no partialFilterExpression and no collation", isUnique},
		{[]string{"subject", "key"}, options.Index, "is ascending", func(bson.Raw) bool { return true }},
		{[]string{"was.key"}, func() *options.IndexOptionsBuilder { return options.Index().SetUnique(true).SetSparse(true) },
			"is unique and sparse, has no partialFilterExpression and no collation", isUniqueSparse},
	} {
		if err := createIndex(ctx, coll, x); err != nil {
			return s.explain(ctx, err)
		}
	}
	if err := createTTL(ctx, coll, "expires", 0, false, &s.ttlRecords); err != nil {
		return s.explain(ctx, err)
	}
	return s.explain(ctx, createTTL(ctx, coll, "at", markKept, true, &s.ttlMarks))
}

// createIndex creates an index, unless an existing one serves. If its default name is taken, it uses
// a name with the prefix gosession_.
func createIndex(ctx context.Context, coll *mongo.Collection, x index) error {
	err := x.create(ctx, coll, x.options())
	if hasCode(err, codeIndexOptionsConflict, codeIndexKeySpecsConflict) {
		found, listed := existing(ctx, coll, x.fields)
		if listed != nil {
			return listed
		}
		for _, other := range found {
			if x.serves(other) {
				return nil
			}
		}
		err = x.create(ctx, coll, x.options().SetName("gosession_"+strings.Join(x.fields, "_")))
	}
	switch {
	case hasCode(err, codeIndexOptionsConflict, codeIndexKeySpecsConflict):
		return indexError(fmt.Sprintf("mongo: the collection has an index on %s, but the store needs one that %s: drop that index, and the store creates its own", strings.Join(x.fields, ", "), x.needs))
	case isDuplicate(err):
		return indexError(fmt.Sprintf("mongo: the store can't create its unique index on %s, because the collection has documents that are not sessions, or several with the same %[1]s: give the store a collection of its own", x.fields[0]))
	}
	return err
}

// indexError says what is wrong with the indexes of a collection, and what to do. It quotes nothing.
type indexError string

func (e indexError) Error() string { return string(e) }

func (x index) create(ctx context.Context, coll *mongo.Collection, o *options.IndexOptionsBuilder) error {
	return twice(ctx, func() error {
		_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: ascending(x.fields...), Options: o})
		return err
	})
}

// existing returns the ascending indexes on these fields, whatever their names.
func existing(ctx context.Context, coll *mongo.Collection, fields []string) (found []bson.Raw, err error) {
	var all []bson.Raw
	cursor, err := coll.Indexes().List(ctx)
	if err == nil {
		err = cursor.All(ctx, &all)
	}
	for _, x := range all {
		keys, _ := x.Lookup("key").DocumentOK()
		elements, _ := keys.Elements()
		same := len(elements) == len(fields)
		for i := 0; same && i < len(fields); i++ {
			direction, ok := elements[i].Value().AsInt64OK()
			same = ok && direction == 1 && elements[i].Key() == fields[i]
		}
		if same {
			found = append(found, x)
		}
	}
	return found, err
}

// isWhole reports whether an index has neither a partialFilterExpression nor a collation.
func isWhole(x bson.Raw) bool {
	_, partial := x.LookupErr("partialFilterExpression")
	_, collated := x.LookupErr("collation")
	return partial != nil && collated != nil
}

func isUnique(x bson.Raw) bool {
	unique, _ := x.Lookup("unique").BooleanOK()
	return unique && isWhole(x)
}

func isUniqueSparse(x bson.Raw) bool {
	sparse, _ := x.Lookup("sparse").BooleanOK()
	return sparse && isUnique(x)
}

// createTTL creates an index by which the server removes documents, and sets works to whether the
// server does so in time. On a server without TTL indexes it creates a plain one. It keeps an
// existing index with other options, but fails if that would remove documents too early.
func createTTL(ctx context.Context, coll *mongo.Collection, field string, after time.Duration, sparse bool, works *atomic.Bool) error {
	seconds := int64(after / time.Second)
	x := index{
		fields: []string{field},
		options: func() *options.IndexOptionsBuilder {
			o := options.Index().SetExpireAfterSeconds(int32(seconds))
			if sparse {
				o.SetSparse(true)
			}
			return o
		},
		needs: fmt.Sprintf("has no expireAfterSeconds, or at least %d", seconds),
	}
	works.Store(true)
	x.serves = func(other bson.Raw) bool {
		there, ttl := other.Lookup("expireAfterSeconds").AsInt64OK()
		works.Store(ttl && there == seconds && isWhole(other))
		return !ttl || there >= seconds
	}
	err := createIndex(ctx, coll, x)
	if hasCode(err, codeNotImplemented, codeCommandNotSupported) {
		works.Store(false)
		x.options = options.Index
		err = createIndex(ctx, coll, x)
	}
	return err
}

func ascending(fields ...string) bson.D {
	keys := bson.D{}
	for _, field := range fields {
		keys = append(keys, bson.E{Key: field, Value: 1})
	}
	return keys
}
