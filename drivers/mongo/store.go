package mongo

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"gosession.dev/session/driver"
)

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	return s.write(ctx, r, r.Key, func(coll *mongo.Collection, d *document) error {
		_, err := coll.InsertOne(ctx, d)
		return err
	})
}

// write has put store r's next version, which was under oldKey before.
func (s *Store) write(ctx context.Context, r *driver.Record, oldKey string, put func(*mongo.Collection, *document) error) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	d, err := s.encode(r)
	if err != nil {
		return err
	}
	idle := 0 // rounds in a row that have changed nothing
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch err := put(coll, d); {
		case err == nil, s.landed(ctx, coll, d, err):
			r.Version = uint64(d.Version)
			return nil
		case errors.Is(err, errNoMatch), errors.Is(err, errOtherIndex):
			return err
		case isDuplicate(err):
			freed, err := s.makeWay(ctx, coll, d.Key, oldKey)
			if err != nil {
				return err
			}
			if idle++; freed {
				idle = 0
			}
			if idle == maxIdle {
				return errOtherIndex
			}
		case hasCode(err, codeBadValue) && d.Data.Type == bson.TypeEmbeddedDocument:
			// FerretDB takes no arrays in arrays.
			d.Data = encodeBinary(r.Data)
		default:
			return s.explain(ctx, err)
		}
	}
}

// maxIdle is how often a write that sets the key is refused as a duplicate, though
// nothing is found that is in its way, until it fails. Once or twice may be because
// other processes create and remove records under the key.
const maxIdle = 5

// errOtherIndex: a write that sets the key was refused so often, or one that leaves the
// key as it is was refused.
var errOtherIndex = errors.New("mongo: write refused as a duplicate by another unique index than the key's: drop that index")

// makeWay deletes what stands under key if it is an expired record or mark, and
// forgets that key or oldKey was another record's, if that is long ago. It reports
// whether it did, and returns ErrExists if the key is taken.
func (s *Store) makeWay(ctx context.Context, coll *mongo.Collection, key, oldKey string) (freed bool, err error) {
	deleted, err := coll.DeleteOne(ctx, dead(key))
	if err != nil {
		return false, s.explain(ctx, err)
	}
	if deleted.DeletedCount > 0 {
		return true, nil
	}
	forgotten, err := coll.UpdateMany(ctx, longAgo(key, oldKey), bson.D{{Key: "$unset", Value: bson.D{{Key: "was", Value: ""}}}})
	if err != nil {
		return false, s.explain(ctx, err)
	}
	if forgotten.ModifiedCount > 0 {
		return true, nil
	}
	found, err := s.has(ctx, coll, taken(key))
	if found {
		err = driver.ErrExists
	}
	return false, err
}

// has reports whether there is a document that a filter matches.
func (s *Store) has(ctx context.Context, coll *mongo.Collection, filter bson.D) (bool, error) {
	err := coll.FindOne(ctx, filter, options.FindOne().SetProjection(ascending("_id"))).Err()
	if isNone(err) {
		return false, nil
	}
	return err == nil, s.explain(ctx, err)
}

// Retrieve implements [driver.Store].
func (s *Store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	coll, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := coll.FindOne(ctx, under(key)).Raw()
	switch {
	case isNone(err):
		return nil, driver.ErrNotFound
	case err != nil:
		return nil, s.explain(ctx, err)
	}
	r, err := decode(key, raw, time.Now())
	if errors.Is(err, errOtherKey) {
		s.abandon(coll)
	}
	return r, err
}

// Flush implements [driver.Store].
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	return s.replace(ctx, r.Key, r)
}

// errNoMatch: a conditional update has found nothing to write over.
var errNoMatch = errors.New("no match")

// replace writes r and more over the record under key if that is of r's version.
// It never inserts.
func (s *Store) replace(ctx context.Context, key string, r *driver.Record, more ...bson.E) error {
	err := s.write(ctx, r, key, func(coll *mongo.Collection, d *document) error {
		if r.Version == 0 {
			return errNoMatch
		}
		fields := append(bson.D{
			{Key: "data", Value: d.Data},
			{Key: "meta", Value: d.Meta},
			{Key: "expires", Value: d.Expires},
			{Key: "subject", Value: d.Subject},
			{Key: "version", Value: d.Version},
		}, more...)
		result, err := coll.UpdateOne(ctx, current(key, r.Version), bson.D{{Key: "$set", Value: fields}})
		switch {
		case err == nil && result.MatchedCount == 0:
			return errNoMatch
		case isDuplicate(err) && key == r.Key:
			return errOtherIndex
		}
		return err
	})
	if errors.Is(err, errNoMatch) {
		return s.whyNoMatch(ctx, key)
	}
	return err
}

// whyNoMatch tells a conflict from a record that is gone or can't be decoded.
func (s *Store) whyNoMatch(ctx context.Context, key string) error {
	if _, err := s.Retrieve(ctx, key); err != nil {
		return err
	}
	return driver.ErrConflict
}

// Touch implements [driver.Toucher]. The version stays, so that it is no conflict
// for a request that writes.
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	filter := with(under(key), append(live(), versioned())...)
	result, err := coll.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "expires", Value: expires}}}})
	if err != nil || result.MatchedCount > 0 {
		return s.explain(ctx, err)
	}
	if err := s.whyNoMatch(ctx, key); !errors.Is(err, driver.ErrConflict) {
		return err
	}
	return driver.ErrNotFound // it was created after the update
}

// Destroy implements [driver.Store].
func (s *Store) Destroy(ctx context.Context, key string) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	result, err := coll.DeleteOne(ctx, destroyable(key))
	if err == nil && result.DeletedCount == 0 {
		return driver.ErrNotFound
	}
	return s.explain(ctx, err)
}

// DestroySubject implements [driver.SubjectDestroyer], in one command. A record
// that is renamed meanwhile stays the same document and does not escape it.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	filter := bson.D{{Key: "subject", Value: subject}}
	if len(except) > 0 {
		filter = append(filter, bson.E{Key: "key", Value: bson.D{{Key: "$nin", Value: except}}})
	}
	_, err = coll.DeleteMany(ctx, filter)
	return s.explain(ctx, err)
}

// Ping implements [driver.Pinger]: it prepares the collection if need be, and asks
// the primary.
func (s *Store) Ping(ctx context.Context) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	return s.explain(ctx, coll.Database().Client().Ping(ctx, readpref.Primary()))
}
