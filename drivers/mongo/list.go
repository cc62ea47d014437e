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

// page returns the live keys behind last, in their order.
func (s *Store) page(ctx context.Context, which bson.D, last string) ([]string, error) {
	filter := append(which[:len(which):len(which)],
		bson.E{Key: "key", Value: bson.D{{Key: "$gt", Value: last}}},
		bson.E{Key: "expires", Value: bson.D{{Key: "$gt", Value: time.Now()}}})
	return s.findKeys(ctx, filter, s.pageSize)
}

// findKeys returns at most limit keys, in their order, all read at once.
func (s *Store) findKeys(ctx context.Context, filter bson.D, limit int) ([]string, error) {
	coll, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	cursor, err := coll.Find(ctx, filter, options.Find().
		SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "key", Value: 1}}).
		SetSort(bson.D{{Key: "key", Value: 1}}).
		SetLimit(int64(limit)).
		SetBatchSize(int32(limit)))
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	var found []struct{ Key string }
	if err := cursor.All(ctx, &found); err != nil {
		return nil, s.explain(ctx, err)
	}
	keys := make([]string, len(found))
	for i, d := range found {
		keys[i] = d.Key
	}
	return keys, nil
}

// DeleteExpired implements [driver.Store]. Where the server has a TTL index it
// does so by itself, once a minute.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	coll, err := s.ready(ctx)
	if err != nil || s.expiresSelf.Load() {
		return 0, err
	}
	removed := 0
	for {
		n, more, err := s.deleteBatch(ctx, coll)
		if removed += n; err != nil || !more {
			return removed, err
		}
	}
}

// deleteBatch deletes a batch of what has expired. What was touched or created
// anew since it was chosen is not deleted.
func (s *Store) deleteBatch(ctx context.Context, coll *mongo.Collection) (n int, more bool, err error) {
	expired := bson.E{Key: "expires", Value: bson.D{{Key: "$lte", Value: time.Now()}}}
	keys, err := s.findKeys(ctx, bson.D{expired}, batchSize)
	if err != nil || len(keys) == 0 {
		return 0, false, err
	}
	result, err := coll.DeleteMany(ctx, bson.D{{Key: "key", Value: bson.D{{Key: "$in", Value: keys}}}, expired})
	if err != nil {
		return 0, false, s.explain(ctx, err)
	}
	return int(result.DeletedCount), len(keys) == batchSize, nil
}
