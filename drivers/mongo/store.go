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

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	return s.write(ctx, r, r.Key, func(coll *mongo.Collection, d *document) error {
		_, err := coll.InsertOne(ctx, d)
		return err
	})
}

// write calls put with the document of r's next version, and sets r.Version on success. If put gets
// no answer, write retries it once. If put is refused as a duplicate, write retries it after makeWay
// has removed the obstacle. oldKey is the key that the record has so far.
func (s *Store) write(ctx context.Context, r *driver.Record, oldKey string, put func(*mongo.Collection, *document) error) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	d, err := s.encode(r)
	if err != nil {
		return err
	}
	idle := 0      // consecutive rounds that have changed nothing
	var lost error // the error of a put without an answer
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := put(coll, d)
		unanswered := isNetwork(err)
		switch {
		case err == nil, (unanswered || lost != nil) && s.landed(ctx, coll, d):
			r.Version = uint64(d.Version)
			return nil
		case unanswered && lost == nil:
			// The write is conditional, and landed finds it by its version, so it can be
			// retried.
			lost = err
		case lost != nil:
			return s.explain(ctx, lost) // the first write may have been done, and overwritten since
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
			// FerretDB does not support nested arrays.
			d.Data = encodeBinary(r.Data)
		default:
			return s.explain(ctx, err)
		}
	}
}

// maxIdle is how often the server may refuse a write as a duplicate although the key is free. It may
// do so once or twice because other processes create and remove records under the key.
const maxIdle = 5

// errOtherIndex: the server has refused a write as a duplicate although it does not change the key,
// or maxIdle times although the key is free.
var errOtherIndex = errors.New("mongo: the write is a duplicate in a unique index that is not the store's: drop that index")

// makeWay deletes an expired record or mark under key. If there is none, it removes the former key
// of records that were renamed from key or oldKey too long ago to count as marks. It reports whether
// it has changed anything, and returns ErrExists if key is taken.
func (s *Store) makeWay(ctx context.Context, coll *mongo.Collection, key, oldKey string) (freed bool, err error) {
	var deleted *mongo.DeleteResult
	err = twice(ctx, func() (err error) {
		deleted, err = coll.DeleteOne(ctx, dead(key))
		return err
	})
	if err != nil {
		return false, s.explain(ctx, err)
	}
	if deleted.DeletedCount > 0 {
		return true, nil
	}
	var forgotten *mongo.UpdateResult
	err = twice(ctx, func() (err error) {
		forgotten, err = coll.UpdateMany(ctx, longAgo(key, oldKey), bson.D{{Key: "$unset", Value: bson.D{{Key: "was", Value: ""}}}})
		return err
	})
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

// has reports whether a document matches the filter.
func (s *Store) has(ctx context.Context, coll *mongo.Collection, filter bson.D) (bool, error) {
	err := twice(ctx, func() error {
		return coll.FindOne(ctx, filter, options.FindOne().SetProjection(ascending("_id"))).Err()
	})
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
	var raw bson.Raw
	err = twice(ctx, func() (err error) {
		raw, err = coll.FindOne(ctx, under(key)).Raw()
		return err
	})
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

// errNoMatch: the filter of a conditional update has matched no document.
var errNoMatch = errors.New("no match")

// replace writes r and more over the record under key if it has r's version. It never inserts.
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

// whyNoMatch returns why the record under key did not match: ErrNotFound, ErrCorrupt, an outage, or
// otherwise ErrConflict.
func (s *Store) whyNoMatch(ctx context.Context, key string) error {
	if _, err := s.Retrieve(ctx, key); err != nil {
		return err
	}
	return driver.ErrConflict
}

// Touch implements [driver.Toucher]. It keeps the version, so that it causes no conflict for a
// request that writes.
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	filter := with(under(key), append(live(), versioned())...)
	var result *mongo.UpdateResult
	err = twice(ctx, func() (err error) {
		result, err = coll.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "expires", Value: expires}}}})
		return err
	})
	if err != nil || result.MatchedCount > 0 {
		return s.explain(ctx, err)
	}
	if err := s.whyNoMatch(ctx, key); !errors.Is(err, driver.ErrConflict) {
		return err
	}
	return driver.ErrNotFound // the record was created after the update
}

// Destroy implements [driver.Store]. If the first attempt gets no answer and the second finds no
// record, the first may have removed it or not: then the outcome is not known, which is an outage.
func (s *Store) Destroy(ctx context.Context, key string) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	var result *mongo.DeleteResult
	var lost error // the error of an attempt without an answer
	err = twice(ctx, func() (err error) {
		if result, err = coll.DeleteOne(ctx, destroyable(key)); isNetwork(err) {
			lost = err
		}
		return err
	})
	if err == nil && result.DeletedCount == 0 {
		if err = lost; err == nil {
			return driver.ErrNotFound
		}
	}
	return s.explain(ctx, err)
}

// DestroySubject implements [driver.SubjectDestroyer]. It also removes a record that is renamed
// meanwhile, because that stays the same document. The command to delete may miss it nevertheless, if
// it has passed the place of the new key in the index, so DestroySubject reads after it whether records
// are left.
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	filter := bson.D{{Key: "subject", Value: subject}}
	if len(except) > 0 {
		filter = append(filter, bson.E{Key: "key", Value: bson.D{{Key: "$nin", Value: except}}})
	}
	for range maxDeletions {
		err := twice(ctx, func() error {
			_, err := coll.DeleteMany(ctx, filter)
			return err
		})
		if err == nil {
			err = twice(ctx, func() error {
				return coll.FindOne(ctx, filter, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
			})
		}
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil
		}
		if err != nil {
			return s.explain(ctx, err)
		}
	}
	return errors.New("mongo: the keys of a subject's sessions change faster than the server deletes these sessions")
}

// maxDeletions is how often DestroySubject deletes before it gives up.
const maxDeletions = 10
