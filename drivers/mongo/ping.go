package mongo

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"gosession.dev/session/driver"
)

// Ping implements [driver.Pinger]: it prepares the collection if needed, and then inserts, updates
// and deletes a record of its own. That record has expired, so that it is never listed, and is
// removed like other expired records if Ping is interrupted.
func (s *Store) Ping(ctx context.Context) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	var d *document
	err = twice(ctx, func() (err error) {
		if d, err = s.pingDocument(); err == nil {
			_, err = coll.InsertOne(ctx, d)
		}
		return err
	})
	if err == nil {
		err = s.tryChanges(ctx, coll, under(d.Key))
	}
	if isDuplicate(err) {
		return errOtherIndex
	}
	return s.explain(ctx, err)
}

// pingDocument returns an expired record under a key that no session and no other call uses.
func (s *Store) pingDocument() (*document, error) {
	long := time.Now().Add(-time.Hour)
	return s.encode(&driver.Record{Key: "@ping-" + rand.Text(), Data: []byte("{}"), Created: long, Expires: long})
}

// tryChanges updates and deletes the document that matches the filter. It is no failure if the
// server has removed the document meanwhile, because it has expired.
func (s *Store) tryChanges(ctx context.Context, coll *mongo.Collection, filter bson.D) error {
	return errors.Join(
		twice(ctx, func() error {
			_, err := coll.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "meta", Value: []byte("ping")}}}})
			return err
		}),
		twice(ctx, func() error {
			_, err := coll.DeleteOne(ctx, filter)
			return err
		}))
}
