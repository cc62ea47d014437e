package mongo

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session/driver"
)

// mark is the document under the old key of a record that was renamed again since. Key is the only
// field that it shares with records, so that no filter for records matches it.
type mark struct {
	Key string    `bson:"key"`
	To  string    `bson:"to"`
	At  time.Time `bson:"at"`
}

// former is the field of a record's document that holds its former key. It serves as the mark until
// the record is renamed again. A record that was never renamed has its own key there, without a
// time, so that the unique index refuses to create a record under the former key of another.
type former struct {
	Key string    `bson:"key"`
	At  time.Time `bson:"at,omitempty"`
}

// formerOf returns the former key in a document, or the zero value if there is none.
func formerOf(raw bson.Raw) (f former) {
	was, _ := raw.Lookup("was").DocumentOK()
	f.Key, _ = was.Lookup("key").StringValueOK()
	f.At, _ = was.Lookup("at").TimeOK()
	return f
}

// isMark reports whether f still serves as a mark.
func (f former) isMark(now time.Time) bool { return now.Sub(f.At) < driver.MarkLifetime }

// markKept is how long a mark is stored. It is longer than a mark is found, because the clocks of
// the servers may differ.
const markKept = driver.MarkLifetime + time.Minute

// Renamed implements [driver.RenameTracker]. One query reads the mark, the record whose former key
// is key, and the record under key. With several queries it could miss a former key that becomes a
// mark in between.
func (s *Store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	coll, err := s.ready(ctx)
	if err != nil {
		return driver.Rename{}, err
	}
	found, err := s.traces(ctx, coll, under(key), bson.D{{Key: "was.key", Value: key}})
	if err != nil {
		return driver.Rename{}, err
	}
	rename, err := youngest(key, found, time.Now())
	if errors.Is(err, errOtherKey) {
		s.abandon(coll)
	}
	return rename, err
}

// traces returns the documents that match one of the filters, without data.
func (s *Store) traces(ctx context.Context, coll *mongo.Collection, filters ...bson.D) (found []bson.Raw, err error) {
	err = twice(ctx, func() error {
		cursor, err := coll.Find(ctx, bson.D{{Key: "$or", Value: filters}},
			options.Find().SetProjection(ascending("key", "expires", "to", "at", "was")))
		if err == nil {
			err = cursor.All(ctx, &found)
		}
		return err
	})
	return found, s.explain(ctx, err)
}

// youngest returns the youngest of the marks under key. If a record is under key, or if no mark is
// young enough, it returns ErrNotFound.
func youngest(key string, found []bson.Raw, now time.Time) (driver.Rename, error) {
	rename := driver.Rename{Age: driver.MarkLifetime}
	for _, raw := range found {
		var to string
		var at time.Time // the zero time, long ago, if the document has none
		was := formerOf(raw)
		switch {
		case isUnder(raw, key) && isMarked(raw):
			to, _ = raw.Lookup("to").StringValueOK()
			at, _ = raw.Lookup("at").TimeOK()
		case isUnder(raw, key) && isExpired(raw, now):
			continue
		case isUnder(raw, key):
			return driver.Rename{}, driver.ErrNotFound
		case was.Key == key:
			to, _ = raw.Lookup("key").StringValueOK()
			at = was.At
		default:
			return driver.Rename{}, errOtherKey
		}
		if age := max(now.Sub(at), 0); age < rename.Age {
			rename = driver.Rename{To: to, Age: age}
		}
	}
	if rename.To == "" {
		return driver.Rename{}, driver.ErrNotFound
	}
	return rename, nil
}

// isMarked reports whether a document is a mark.
func isMarked(raw bson.Raw) bool {
	_, err := raw.LookupErr("to")
	return err == nil
}
