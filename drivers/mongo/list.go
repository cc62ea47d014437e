package mongo

import (
	"context"
	"iter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	defaultPageSize = 10_000 // keys, which take about a megabyte
	batchSize       = 1000   // records that are deleted in one command
)

// Sessions implements [driver.Store]. Pages begin behind the last key of the one
// before, so that no cursor is held while the caller has one.
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.list(ctx, nil)
}

// SubjectSessions implements [driver.SubjectLister].
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.list(ctx, bson.D{{Key: "subject", Value: subject}})
}

func (s *Store) list(ctx context.Context, which bson.D) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		last := ""
		for {
			keys, err := s.page(ctx, which, last)
			if err != nil {
				yield("", err)
				return
			}
			for _, key := range keys {
				if err := ctx.Err(); err != nil {
					yield("", err)
					return
				}
				if !yield(key, nil) {
					return
				}
			}
			if len(keys) < s.pageSize {
				return
			}
			last = keys[len(keys)-1]
		}
	}
}

// page returns the live keys behind last, in their order, all read at once.
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

// findAll reads a field of at most limit documents, in the order of another.
func (s *Store) findAll(ctx context.Context, coll *mongo.Collection, filter bson.D, field, order string, limit int, found any) error {
	projection := ascending(field)
	if field != "_id" {
		projection = append(projection, bson.E{Key: "_id", Value: 0})
	}
	cursor, err := coll.Find(ctx, filter, options.Find().
		SetProjection(projection).
		SetSort(ascending(order)).
		SetLimit(int64(limit)).
		SetBatchSize(int32(limit)))
	if err == nil {
		err = cursor.All(ctx, found)
	}
	return s.explain(ctx, err)
}

// DeleteExpired implements [driver.Store]. Where the server has TTL indexes it
// deletes by itself, once a minute.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	coll, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	now, removed := time.Now(), 0
	if !s.expiresSelf.Load() {
		if removed, err = s.deleteAll(ctx, coll, until("expires", now)); err != nil {
			return removed, err
		}
	}
	if !s.marksExpire.Load() {
		_, err = s.deleteAll(ctx, coll, until("at", now.Add(-markKept)))
	}
	return removed, err
}

// deleteAll deletes what meets a condition, in batches, and returns how much that
// was. What does not meet it any more when its batch is deleted stays.
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
