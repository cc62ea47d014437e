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
	return s.write(ctx, r, func(coll *mongo.Collection, d *document) error {
		_, err := coll.InsertOne(ctx, d)
		return err
	})
}

// write has put store r's next version.
func (s *Store) write(ctx context.Context, r *driver.Record, put func(*mongo.Collection, *document) error) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	d, err := s.encode(r)
	if err != nil {
		return err
	}
	for {
		switch err := put(coll, d); {
		case err == nil, s.landed(ctx, coll, d, err):
			r.Version = uint64(d.Version)
			return nil
		case errors.Is(err, errNoMatch):
			return err
		case isDuplicate(err):
			if err := s.makeWay(ctx, coll, d); err != nil {
				return err
			}
		case hasCode(err, codeBadValue) && d.Data.Type == bson.TypeEmbeddedDocument:
			// FerretDB takes no arrays in arrays.
			d.Data = encodeBinary(r.Data)
		default:
			return s.explain(ctx, err)
		}
	}
}

// makeWay deletes the record under d's key if it has expired, and returns
// ErrExists if it has not. That there is none, any more, is fine.
func (s *Store) makeWay(ctx context.Context, coll *mongo.Collection, d *document) error {
	if _, err := coll.DeleteOne(ctx, dead(d.Key)); err != nil {
		return s.explain(ctx, err)
	}
	switch found, err := s.isLive(ctx, coll, d.Key); {
	case err != nil:
		return err
	case found:
		return driver.ErrExists
	}
	return nil
}

// isLive reports whether there is a live record under key.
func (s *Store) isLive(ctx context.Context, coll *mongo.Collection, key string) (bool, error) {
	err := coll.FindOne(ctx, live(key), options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
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
	found := coll.FindOne(ctx, live(key))
	switch err := found.Err(); {
	case isNone(err):
		return nil, driver.ErrNotFound
	case err != nil:
		return nil, s.explain(ctx, err)
	}
	return decode(key, found)
}

// Flush implements [driver.Store].
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	return s.replace(ctx, r.Key, r)
}

// ChangeID implements [driver.Store]. It is one update of one document, as Flush
// is.
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.replace(ctx, oldKey, r)
}

// errNoMatch: a conditional update has found nothing to write over.
var errNoMatch = errors.New("no match")

// replace writes r over the record under key if that is of r's version. It never
// inserts.
func (s *Store) replace(ctx context.Context, key string, r *driver.Record) error {
	err := s.write(ctx, r, func(coll *mongo.Collection, d *document) error {
		fields := bson.D{
			{Key: "data", Value: d.Data},
			{Key: "meta", Value: d.Meta},
			{Key: "expires", Value: d.Expires},
			{Key: "subject", Value: d.Subject},
			{Key: "version", Value: d.Version},
		}
		if key != r.Key {
			fields = append(fields, bson.E{Key: "key", Value: r.Key})
		}
		filter := append(live(key), bson.E{Key: "version", Value: int64(r.Version)})
		result, err := coll.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: fields}})
		if err == nil && result.MatchedCount == 0 {
			err = errNoMatch
		}
		return err
	})
	if errors.Is(err, errNoMatch) {
		return s.whyNoMatch(ctx, key)
	}
	return err
}

// whyNoMatch tells a conflict from a record that is gone.
func (s *Store) whyNoMatch(ctx context.Context, key string) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	switch found, err := s.isLive(ctx, coll, key); {
	case err != nil:
		return err
	case found:
		return driver.ErrConflict
	}
	return driver.ErrNotFound
}

// Touch implements [driver.Toucher]. The version stays, so that it is no conflict
// for a request that writes.
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	result, err := coll.UpdateOne(ctx, live(key), bson.D{{Key: "$set", Value: bson.D{{Key: "expires", Value: expires}}}})
	if err == nil && result.MatchedCount == 0 {
		return driver.ErrNotFound
	}
	return s.explain(ctx, err)
}

// Destroy implements [driver.Store].
func (s *Store) Destroy(ctx context.Context, key string) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	result, err := coll.DeleteOne(ctx, live(key))
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
