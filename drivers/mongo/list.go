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
	var found []struct{ Key string }
	err := s.find(ctx, filter, "key", s.pageSize, &found)
	keys := make([]string, len(found))
	for i, d := range found {
		keys[i] = d.Key
	}
	return keys, err
}

// find reads one field of at most limit documents, in its order, all at once.
func (s *Store) find(ctx context.Context, filter bson.D, field string, limit int, found any) error {
	coll, err := s.ready(ctx)
	if err != nil {
		return err
	}
	cursor, err := coll.Find(ctx, filter, options.Find().
		SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: field, Value: 1}}).
		SetSort(bson.D{{Key: field, Value: 1}}).
		SetLimit(int64(limit)).
		SetBatchSize(int32(limit)))
	if err != nil {
		return s.explain(ctx, err)
	}
	return s.explain(ctx, cursor.All(ctx, found))
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
	var chosen []struct{ Key string }
	if err := s.find(ctx, bson.D{expired}, "key", batchSize, &chosen); err != nil || len(chosen) == 0 {
		return 0, false, err
	}
	keys := make([]string, len(chosen))
	for i, d := range chosen {
		keys[i] = d.Key
	}
	result, err := coll.DeleteMany(ctx, bson.D{{Key: "key", Value: bson.D{{Key: "$in", Value: keys}}}, expired})
	if err != nil {
		return 0, false, s.explain(ctx, err)
	}
	return int(result.DeletedCount), len(chosen) == batchSize, nil
}
