package mongo

import (
	"context"

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

// createIndexes is of no effect where they are. A server that has no TTL indexes
// gets a plain one.
func (s *Store) createIndexes(ctx context.Context, coll *mongo.Collection) error {
	unique, ttl := options.Index().SetUnique(true), options.Index().SetExpireAfterSeconds(0)
	create := func(o *options.IndexOptionsBuilder, fields ...string) error {
		keys := bson.D{}
		for _, field := range fields {
			keys = append(keys, bson.E{Key: field, Value: 1})
		}
		_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys, Options: o})
		return err
	}
	if err := create(unique, "key"); err != nil {
		return s.explain(ctx, err)
	}
	if err := create(nil, "subject", "key"); err != nil {
		return s.explain(ctx, err)
	}
	err := create(ttl, "expires")
	s.expiresSelf.Store(err == nil)
	if hasCode(err, codeNotImplemented, codeCommandNotSupported) {
		err = create(nil, "expires")
	}
	return s.explain(ctx, err)
}
