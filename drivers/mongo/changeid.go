package mongo

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"gosession.dev/session/driver"
)

// ChangeID implements [driver.Store]. It reads what is stored about the two keys, and then renames
// the record by one update of one document, which is conditional like that of Flush. The update
// overwrites the former key. If that still serves as a mark, ChangeID first inserts the mark as a
// document of its own.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	b, err := s.before(ctx, coll, oldKey, r)
	switch {
	case err != nil:
		return err
	case !b.current:
		return s.whyNoMatch(ctx, oldKey)
	case b.taken:
		return driver.ErrExists
	case b.was.Key != "":
		if err := s.insertMark(ctx, coll, mark{Key: b.was.Key, To: oldKey, At: b.was.At}); err != nil {
			return err
		}
	}
	return s.replace(ctx, oldKey, r,
		bson.E{Key: "key", Value: r.Key},
		bson.E{Key: "was", Value: former{Key: oldKey, At: time.Now()}})
}

// before is the state that ChangeID finds before its update.
type before struct {
	current bool   // the old key holds the record to rename, in the expected version
	was     former // that record's former key, if it serves as a mark
	taken   bool   // the new key holds a record or a mark
}

// before reads that state by one query.
func (s *Store) before(ctx context.Context, coll *mongo.Collection, oldKey string, r *driver.Record) (before, error) {
	others := with(formerly(r.Key), bson.E{Key: "key", Value: bson.D{{Key: "$ne", Value: oldKey}}})
	found, err := s.traces(ctx, coll, current(oldKey, r.Version), occupied(r.Key), others)
	if err != nil {
		return before{}, err
	}
	b, err := judge(oldKey, r.Key, found, time.Now())
	if errors.Is(err, errOtherKey) {
		s.abandon(coll)
	}
	return b, err
}

// judge derives the state from the documents of that query.
func judge(oldKey, newKey string, found []bson.Raw, now time.Time) (b before, err error) {
	for _, raw := range found {
		was := formerOf(raw)
		switch {
		case isUnder(raw, oldKey):
			b.current = true
			if was.isMark(now) {
				b.was = was
				b.taken = b.taken || was.Key == newKey
			}
		case isUnder(raw, newKey), was.Key == newKey:
			b.taken = true
		default:
			return before{}, errOtherKey
		}
	}
	return b, nil
}

// insertMark inserts m. If its key is taken, the document there is m: an earlier ChangeID has
// inserted it and then failed.
func (s *Store) insertMark(ctx context.Context, coll *mongo.Collection, m mark) error {
	err := twice(ctx, func() error {
		_, err := coll.InsertOne(ctx, m)
		return err
	})
	if isDuplicate(err) {
		return nil
	}
	return s.explain(ctx, err)
}
