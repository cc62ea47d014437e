package mongo

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"gosession.dev/session/driver"
)

// ready returns the collection. The first call connects and creates the indexes. If it fails, the
// next call tries again.
func (s *Store) ready(ctx context.Context) (*mongo.Collection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s == nil || s.connect == nil {
		return nil, errors.New("mongo: the store was not made by New or Driver.Open")
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
	if err := s.prepare(ctx, coll); err != nil || !driver.MayCreate(ctx) {
		return coll, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, driver.ErrClosed
	}
	s.prepared.Store(coll)
	return coll, nil
}

// connected returns the collection, which may lack its indexes. Only a call that has filled
// s.preparing calls it.
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

// abandon closes the client of coll after an answer about another key. The answers on one of its
// connections do not match the requests, and MongoDB's driver does not tell which connection. The
// next call makes a new client. An application's own client stays open.
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
	cancel() // do not wait for calls in progress, which fail
	_ = client.Disconnect(now)
}

// prepare creates the indexes, and by that the collection. If ctx does not allow that, it returns an
// error unless the unique index on key exists.
func (s *Store) prepare(ctx context.Context, coll *mongo.Collection) error {
	if driver.MayCreate(ctx) {
		return s.createIndexes(ctx, coll)
	}
	indexes, err := existing(ctx, coll, []string{"key"})
	if err != nil {
		return s.explain(ctx, err)
	}
	if !slices.ContainsFunc(indexes, isUnique) {
		return errors.New("mongo: there are no sessions here, and nothing was created")
	}
	return nil
}
