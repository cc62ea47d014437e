package mongo

import (
	"context"
	"iter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session/driver"
)

const (
	defaultPageSize = 10_000 // keys of one page, about a megabyte
	batchSize       = 1000   // documents that one command deletes
)

// Sessions implements [driver.Store]. Each page is a query that begins after the last key of the
// previous page, so that no cursor is held across a yield.
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.list(ctx, nil)
}

// SubjectSessions implements [driver.SubjectLister].
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.list(ctx, bson.D{{Key: "subject", Value: subject}})
}

func (s *Store) list(ctx context.Context, which bson.D) iter.Seq2[string, error] {
	return driver.Listing(ctx, func(yield func([]string, error) bool) {
		for last := ""; ; {
			keys, err := s.page(ctx, which, last)
			if !yield(keys, err) || len(keys) < s.pageSize {
				return
			}
			last = keys[len(keys)-1]
		}
	})
}

// page returns the keys of live records that follow last, in order, at most pageSize of them.
func (s *Store) page(ctx context.Context, which bson.D, last string) ([]string, error) {
	coll, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	behind := bson.E{Key: "key", Value: bson.D{{Key: "$gt", Value: last}}}
	filter := with(which, append(live(), versioned(), behind)...)
	var found []struct{ Key string }
	if err := s.findAll(ctx, coll, filter, "key", "key", s.pageSize, &found); err != nil {
		return nil, err
	}
	keys := make([]string, len(found))
	for i, d := range found {
		keys[i] = d.Key
	}
	return keys, nil
}

// findAll reads one field of at most limit documents into found, sorted by the field order.
func (s *Store) findAll(ctx context.Context, coll *mongo.Collection, filter bson.D, field, order string, limit int, found any) error {
	projection := ascending(field)
	if field != "_id" {
		projection = append(projection, bson.E{Key: "_id", Value: 0})
	}
	err := twice(ctx, func() error {
		cursor, err := coll.Find(ctx, filter, options.Find().
			SetProjection(projection).
			SetSort(ascending(order)).
			SetLimit(int64(limit)).
			SetBatchSize(int32(limit)))
		if err == nil {
			err = cursor.All(ctx, found)
		}
		return err
	})
	return s.explain(ctx, err)
}

// DeleteExpired implements [driver.Store]. It returns 0 if the server has TTL indexes: the server
// then deletes expired records itself, once a minute.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	coll, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	now, removed := time.Now(), 0
	if !s.ttlRecords.Load() {
		if removed, err = s.deleteAll(ctx, coll, until("expires", now)); err != nil {
			return removed, err
		}
	}
	if !s.ttlMarks.Load() {
		_, err = s.deleteAll(ctx, coll, until("at", now.Add(-markKept)))
	}
	return removed, err
}

// deleteAll deletes the documents that meet the condition, in batches, and returns their number. A
// document that no longer meets it when its batch is deleted stays.
func (s *Store) deleteAll(ctx context.Context, coll *mongo.Collection, condition bson.E) (removed int, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		var found []struct {
			ID bson.RawValue `bson:"_id"`
		}
		if err := s.findAll(ctx, coll, bson.D{condition}, "_id", condition.Key, batchSize, &found); err != nil || len(found) == 0 {
			return removed, err
		}
		ids := make([]bson.RawValue, len(found))
		for i, d := range found {
			ids[i] = d.ID
		}
		result, err := coll.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, condition})
		if err != nil {
			return removed, s.explain(ctx, err)
		}
		removed += int(result.DeletedCount)
		if len(found) < batchSize || result.DeletedCount == 0 {
			return removed, nil
		}
	}
}
