package mongo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// change renames r by ChangeID.
func change(t testing.TB, s *Store, r *driver.Record, to string) {
	t.Helper()
	old := r.Key
	r.Key = to
	require.NoError(t, s.ChangeID(t.Context(), old, r))
}

func requireRenamed(t testing.TB, s *Store, key, to string) {
	t.Helper()
	rename, err := s.Renamed(t.Context(), key)
	require.NoError(t, err, key)
	require.Equal(t, to, rename.To)
	require.GreaterOrEqual(t, rename.Age, time.Duration(0))
	require.Less(t, rename.Age, time.Minute)
}

func requireNotRenamed(t testing.TB, s *Store, keys ...string) {
	t.Helper()
	for _, key := range keys {
		_, err := s.Renamed(t.Context(), key)
		require.ErrorIs(t, err, driver.ErrNotFound, key)
	}
}

// age makes all marks and former keys of a collection that old.
func age(t testing.TB, coll *mongo.Collection, by time.Duration) {
	t.Helper()
	at := time.Now().Add(-by)
	for field, of := range map[string]string{"at": "to", "was.at": "was"} {
		_, err := coll.UpdateMany(t.Context(), bson.D{{Key: of, Value: bson.D{{Key: "$exists", Value: true}}}},
			bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: at}}}})
		require.NoError(t, err)
	}
}

func openColl(t testing.TB) (*Store, *recorder, *mongo.Collection) {
	t.Helper()
	s, sent := openRecorded(t, newDSN(testserver.StartMongo(t), ""))
	coll, err := s.ready(t.Context())
	require.NoError(t, err)
	sent.take()
	return s, sent, coll
}

// The former key in a record serves as the mark. A second ID change turns it into a document.
func TestFormerKey(t *testing.T) {
	ctx := t.Context()
	s, _, coll := openColl(t)
	r := record("a")
	require.NoError(t, s.Create(ctx, r))
	change(t, s, r, "b")
	require.Equal(t, 1, count(t, coll, bson.D{}))
	requireRenamed(t, s, "a", "b")
	requireNotRenamed(t, s, "b", "c")
	require.ErrorIs(t, s.Destroy(ctx, "a"), driver.ErrNotFound)
	requireRenamed(t, s, "a", "b")
	require.NoError(t, s.Flush(ctx, r))
	requireRenamed(t, s, "a", "b")

	change(t, s, r, "c")
	require.Equal(t, 2, count(t, coll, bson.D{}))
	requireRenamed(t, s, "a", "b")
	requireRenamed(t, s, "b", "c")

	// Both kinds of marks refuse a record.
	other := record("x")
	require.NoError(t, s.Create(ctx, other))
	for _, key := range []string{"a", "b"} {
		require.ErrorIs(t, s.Create(ctx, record(key)), driver.ErrExists)
		moved := *other
		moved.Key = key
		require.ErrorIs(t, s.ChangeID(ctx, "x", &moved), driver.ErrExists)
		moved.Version++
		require.ErrorIs(t, s.ChangeID(ctx, "x", &moved), driver.ErrConflict)
		require.ErrorIs(t, s.ChangeID(ctx, "y", &moved), driver.ErrNotFound)
		back := *r
		back.Key = key
		require.ErrorIs(t, s.ChangeID(ctx, "c", &back), driver.ErrExists)
		back.Version++
		require.ErrorIs(t, s.ChangeID(ctx, "c", &back), driver.ErrConflict)
	}
	requireNotRenamed(t, s, "x", "c")
	requireRenamed(t, s, "a", "b")
	requireRenamed(t, s, "b", "c")
}

// The former key of an ended record can be used again, at the latest when its mark is too old.
func TestFormerKeyOfEndedRecord(t *testing.T) {
	ctx := t.Context()
	s, _, coll := openColl(t)
	r := record("a")
	require.NoError(t, s.Create(ctx, r))
	change(t, s, r, "b")
	require.NoError(t, s.Destroy(ctx, "b"))
	requireNotRenamed(t, s, "a", "b")

	// An expired record that the server has not removed.
	r = record("a")
	require.NoError(t, s.Create(ctx, r))
	change(t, s, r, "b")
	_, err := coll.UpdateOne(ctx, under("b"), bson.D{{Key: "$set", Value: bson.D{{Key: "expires", Value: time.Now()}}}})
	require.NoError(t, err)
	x := record("x")
	require.NoError(t, s.Create(ctx, x))
	requireRenamed(t, s, "a", "b")
	back := *r
	back.Key = "a"
	require.ErrorIs(t, s.ChangeID(ctx, "b", &back), driver.ErrNotFound)
	moved := *x
	moved.Key = "a"
	require.ErrorIs(t, s.Create(ctx, record("a")), driver.ErrExists)
	require.ErrorIs(t, s.ChangeID(ctx, "x", &moved), driver.ErrExists)

	age(t, coll, driver.MarkLifetime)
	requireNotRenamed(t, s, "a")
	change(t, s, x, "a")
	requireRenamed(t, s, "x", "a")
	change(t, s, x, "b")
	requireRenamed(t, s, "a", "b")
}

func count(t testing.TB, coll *mongo.Collection, filter bson.D) int {
	t.Helper()
	n, err := coll.CountDocuments(t.Context(), filter)
	require.NoError(t, err)
	return int(n)
}

// A mark or a former key that is too old does not count, also before it is removed.
func TestOldMarks(t *testing.T) {
	ctx := t.Context()
	s, _, coll := openColl(t)
	a, x := record("a"), record("x")
	require.NoError(t, s.Create(ctx, a))
	require.NoError(t, s.Create(ctx, x))
	change(t, s, a, "b")
	change(t, s, a, "c")
	requireRenamed(t, s, "a", "b")
	requireRenamed(t, s, "b", "c")
	require.ErrorIs(t, s.Create(ctx, record("a")), driver.ErrExists)

	age(t, coll, driver.MarkLifetime-time.Minute)
	rename, err := s.Renamed(ctx, "a")
	require.NoError(t, err)
	require.InDelta(t, (driver.MarkLifetime - time.Minute).Seconds(), rename.Age.Seconds(), 59)
	require.ErrorIs(t, s.Create(ctx, record("a")), driver.ErrExists)
	n, err := s.DeleteExpired(ctx)
	require.NoError(t, err)
	require.Zero(t, n)

	age(t, coll, driver.MarkLifetime)
	requireNotRenamed(t, s, "a", "b")
	require.NoError(t, s.Create(ctx, record("a")))
	requireNotRenamed(t, s, "a")
	change(t, s, x, "b")
	requireRenamed(t, s, "x", "b")
	requireNotRenamed(t, s, "a", "b")
	got, err := s.Retrieve(ctx, "b")
	require.NoError(t, err)
	require.Equal(t, x.Version, got.Version)

	// The record under c was renamed from b too, but too long ago.
	change(t, s, x, "d")
	requireRenamed(t, s, "b", "d")
	requireRenamed(t, s, "x", "b")

	// A former key that is too old does not become a mark, and the record may get it again.
	age(t, coll, driver.MarkLifetime)
	marks := count(t, coll, bson.D{{Key: "to", Value: bson.D{{Key: "$exists", Value: true}}}})
	change(t, s, x, "b")
	requireRenamed(t, s, "d", "b")
	require.Equal(t, marks, count(t, coll, bson.D{{Key: "to", Value: bson.D{{Key: "$exists", Value: true}}}}))
}

// If the server does not remove old marks, DeleteExpired does. It does not count them.
func TestDeleteMarks(t *testing.T) {
	ctx := t.Context()
	s, _, coll := openColl(t)
	var marks []mark
	for i := range batchSize + 10 {
		marks = append(marks, mark{Key: fmt.Sprintf("m%04d", i), To: "k", At: time.Now().Add(-markKept)})
	}
	marks = append(marks, mark{Key: "young", To: "k", At: time.Now()})
	_, err := coll.InsertMany(ctx, marks)
	require.NoError(t, err)
	require.NoError(t, s.Create(ctx, record("k")))
	s.ttlMarks.Store(false)
	n, err := s.DeleteExpired(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, 2, count(t, coll, bson.D{}))
	requireRenamed(t, s, "young", "k")
}

// If ChangeID cannot insert the mark, the ID does not change.
func TestMarkFails(t *testing.T) {
	s, sent := openRecorded(t, "mongodb://"+replica(t, func(command bson.Raw) bson.D {
		switch names([]bson.Raw{command})[0] {
		case "find":
			return found(bson.D{{Key: "key", Value: "b"}, {Key: "was", Value: former{Key: "a", At: time.Now()}}})
		case "insert":
			return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 8000}, {Key: "errmsg", Value: "x"}}
		}
		return nil
	})+"/db")
	_, err := s.ready(t.Context())
	require.NoError(t, err)
	sent.take()
	r := record("c")
	r.Version = 7
	require.ErrorContains(t, s.ChangeID(t.Context(), "b", r), "code 8000")
	require.Equal(t, uint64(7), r.Version)
	require.Equal(t, []string{"find", "insert"}, names(sent.take()))
}

// ChangeID succeeds also if an earlier ChangeID has inserted the mark and died.
func TestExistingMark(t *testing.T) {
	s, _, coll := openColl(t)
	r := record("a")
	require.NoError(t, s.Create(t.Context(), r))
	change(t, s, r, "b")
	_, err := coll.InsertOne(t.Context(), mark{Key: "a", To: "b", At: time.Now()})
	require.NoError(t, err)
	requireRenamed(t, s, "a", "b")
	change(t, s, r, "c")
	requireRenamed(t, s, "a", "b")
	requireRenamed(t, s, "b", "c")
}

// The store distinguishes a duplicate in an application's unique index from a taken key, and does not
// retry forever.
func TestOtherUniqueIndex(t *testing.T) {
	ctx := t.Context()
	s, sent, coll := openColl(t)
	_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: ascending("subject"), Options: options.Index().SetUnique(true)})
	require.NoError(t, err)
	a, b := record("a"), record("b")
	a.Subject, b.Subject = "ada", "bob"
	require.NoError(t, s.Create(ctx, a))
	require.NoError(t, s.Create(ctx, b))
	second := record("c")
	second.Subject = "ada"
	for name, call := range map[string]func() error{
		"Create":   func() error { return s.Create(ctx, second) },
		"Flush":    func() error { r := *b; r.Subject = "ada"; return s.Flush(ctx, &r) },
		"ChangeID": func() error { r := *b; r.Key, r.Subject = "c", "ada"; return s.ChangeID(ctx, "b", &r) },
	} {
		sent.take()
		err := call()
		require.ErrorContains(t, err, "a unique index that is not the store's", name)
		require.NotErrorIs(t, err, driver.ErrExists, name)
		require.LessOrEqual(t, len(sent.take()), 1+4*maxIdle, name)
	}
	_, err = s.Retrieve(ctx, "b")
	require.NoError(t, err)
}

// An answer about another key is an outage, and its connection is not used again.
func TestOtherKey(t *testing.T) {
	ctx := t.Context()
	var mixedUp atomic.Bool
	s, sent := openRecorded(t, "mongodb://"+replica(t, func(command bson.Raw) bson.D {
		if names([]bson.Raw{command})[0] != "find" || !mixedUp.Load() {
			return nil
		}
		return found(bson.D{{Key: "key", Value: "other"}, {Key: "expires", Value: time.Now().Add(time.Hour)}})
	})+"/db")
	for name, call := range map[string]func() error{
		"Retrieve": func() error { _, err := s.Retrieve(ctx, "k"); return err },
		"Renamed":  func() error { _, err := s.Renamed(ctx, "k"); return err },
		"ChangeID": func() error { return s.ChangeID(ctx, "k", record("n")) },
	} {
		mixedUp.Store(false)
		require.ErrorIs(t, call(), driver.ErrNotFound, name)
		mixedUp.Store(true)
		before := s.client
		require.ErrorIs(t, call(), errOtherKey, name)
		require.ErrorIs(t, before.Ping(ctx, nil), mongo.ErrClientDisconnected, name)
		mixedUp.Store(false)
		sent.take()
		require.ErrorIs(t, call(), driver.ErrNotFound, name)
		require.Contains(t, names(sent.take()), "createIndexes", name)
	}
}

// Whatever another process does between the steps of a second ChangeID, the old keys have marks for
// as long as the record is alive.
func TestBetweenSteps(t *testing.T) {
	m := testserver.StartMongo(t)
	for name, call := range map[string]func(ctx context.Context, other *Store) error{
		"Retrieve":       func(ctx context.Context, o *Store) error { _, err := o.Retrieve(ctx, "b"); return err },
		"Retrieve(old)":  func(ctx context.Context, o *Store) error { _, err := o.Retrieve(ctx, "a"); return gone(err) },
		"Destroy(old)":   func(ctx context.Context, o *Store) error { return gone(o.Destroy(ctx, "a")) },
		"Destroy":        func(ctx context.Context, o *Store) error { return o.Destroy(ctx, "b") },
		"DestroySubject": func(ctx context.Context, o *Store) error { return o.DestroySubject(ctx, "ada") },
		"Create(old)":    func(ctx context.Context, o *Store) error { return exists(o.Create(ctx, record("a"))) },
		"ChangeID(old)": func(ctx context.Context, o *Store) error {
			r := record("x")
			if err := o.Create(ctx, r); err != nil {
				return err
			}
			r.Key = "a"
			return exists(o.ChangeID(ctx, "x", r))
		},
		"DeleteExpired": func(ctx context.Context, o *Store) error { _, err := o.DeleteExpired(ctx); return err },
		"ChangeID": func(ctx context.Context, o *Store) error {
			r, err := o.Retrieve(ctx, "b")
			if err != nil {
				return err
			}
			r.Key = "d"
			return o.ChangeID(ctx, "b", r)
		},
		"Sessions": func(ctx context.Context, o *Store) error {
			for key, err := range o.Sessions(ctx) {
				if err != nil || key != "b" {
					return fmt.Errorf("Sessions yields %q, %w", key, err)
				}
			}
			return nil
		},
	} {
		for _, step := range []string{"insert", "update"} {
			t.Run(name+"/"+step, func(t *testing.T) {
				ctx, dsn := t.Context(), newDSN(m, "")
				st, err := Driver{}.Open(dsn)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, st.Close()) })
				other := st.(*Store)
				r := record("a")
				r.Subject = "ada"
				require.NoError(t, other.Create(ctx, r))
				change(t, other, r, "b")
				s := openMonitored(t, dsn, &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
					if e.CommandName == step {
						requireRenamed(t, other, "a", "b")
						require.NoError(t, call(ctx, other))
					}
				}})
				r.Key = "c"
				switch err := s.ChangeID(ctx, "b", r); name {
				case "Destroy", "DestroySubject", "ChangeID":
					require.ErrorIs(t, err, driver.ErrNotFound)
				default:
					require.NoError(t, err)
					requireRenamed(t, s, "b", "c")
				}
				if name == "ChangeID" {
					requireRenamed(t, s, "b", "d")
				}
				requireRenamed(t, s, "a", "b")
			})
		}
	}
}

// exists returns nil for ErrExists, and an error for success.
func exists(err error) error {
	switch {
	case errors.Is(err, driver.ErrExists):
		return nil
	case err == nil:
		return errors.New("got success, want ErrExists")
	}
	return err
}

// gone returns nil for ErrNotFound, and an error for success.
func gone(err error) error {
	switch {
	case errors.Is(err, driver.ErrNotFound):
		return nil
	case err == nil:
		return errors.New("got success, want ErrNotFound")
	}
	return err
}
