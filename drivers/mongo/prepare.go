package mongo

import (
	"context"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session/driver"
)

// ready returns the collection. The first call connects and creates the indexes;
// if it fails, the next one tries again.
func (s *Store) ready(ctx context.Context) (*mongo.Collection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if coll := s.prepared.Load(); coll != nil {
		return coll, nil
	}
	select {
	case s.preparing <- struct{}{}:
		defer func() { <-s.preparing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if coll := s.prepared.Load(); coll != nil {
		return coll, nil
	}
	coll, err := s.connected(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.createIndexes(ctx, coll); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, driver.ErrClosed
	}
	s.prepared.Store(coll)
	return coll, nil
}

// connected returns the collection, whose indexes may be missing. Only the holder
// of the token calls it.
func (s *Store) connected(ctx context.Context) (*mongo.Collection, error) {
	s.mu.Lock()
	coll, closed := s.coll, s.closed
	s.mu.Unlock()
	if closed {
		return nil, driver.ErrClosed
	}
	if coll != nil {
		return coll, nil
	}
	coll, client, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if closed = s.closed; !closed {
		s.client, s.coll = client, coll
	}
	s.mu.Unlock()
	if closed {
		if client != nil {
			_ = client.Disconnect(ctx)
		}
		return nil, driver.ErrClosed
	}
	return coll, nil
}

// abandon closes the client of coll after an answer about another key: one of its
// connections is out of step, and MongoDB's driver does not tell which. The next call
// makes a new client. An application's own client stays as it is.
func (s *Store) abandon(coll *mongo.Collection) {
	s.mu.Lock()
	client := s.client
	if s.coll != coll || client == nil {
		s.mu.Unlock()
		return
	}
	s.client, s.coll = nil, nil
	s.prepared.Store(nil)
	s.mu.Unlock()
	now, cancel := context.WithCancel(context.Background())
	cancel() // calls under way fail, and are not waited for
	_ = client.Disconnect(now)
}

// createIndexes is of no effect where they are.
func (s *Store) createIndexes(ctx context.Context, coll *mongo.Collection) error {
	for _, index := range []mongo.IndexModel{ // one by one: FerretDB breaks down on several
		{Keys: ascending("key"), Options: options.Index().SetUnique(true)},
		{Keys: ascending("subject", "key")},
		{Keys: ascending("was.key"), Options: options.Index().SetUnique(true).SetSparse(true)},
	} {
		if _, err := coll.Indexes().CreateOne(ctx, index); err != nil {
			return s.explain(ctx, err)
		}
	}
	ttl := func(after time.Duration) *options.IndexOptionsBuilder {
		return options.Index().SetExpireAfterSeconds(int32(after / time.Second))
	}
	if err := s.createTTL(ctx, coll, "expires", ttl(0), &s.expiresSelf); err != nil {
		return err
	}
	return s.createTTL(ctx, coll, "at", ttl(markKept).SetSparse(true), &s.marksExpire)
}

// createTTL creates an index by which the server removes documents, and notes
// whether the server does. One that has no such indexes gets a plain one; an index
// that is there with other options stays.
func (s *Store) createTTL(ctx context.Context, coll *mongo.Collection, field string, ttl *options.IndexOptionsBuilder, works *atomic.Bool) error {
	_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: ascending(field), Options: ttl})
	works.Store(err == nil)
	switch {
	case hasCode(err, codeIndexOptionsConflict, codeIndexKeySpecsConflict):
		return nil
	case hasCode(err, codeNotImplemented, codeCommandNotSupported):
		_, err = coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: ascending(field)})
	}
	return s.explain(ctx, err)
}

func ascending(fields ...string) bson.D {
	keys := bson.D{}
	for _, field := range fields {
		keys = append(keys, bson.E{Key: field, Value: 1})
	}
	return keys
}
