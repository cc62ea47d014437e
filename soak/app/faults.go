package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"gosession.dev/session/driver"
)

// faults are stores that do one thing wrong.
var faults = map[string]func(driver.Store) driver.Store{
	"overwrites": func(s driver.Store) driver.Store { return overwrites{s} },
	"revives":    func(s driver.Store) driver.Store { return revives{s} },
	"mixes":      func(s driver.Store) driver.Store { return &mixes{Store: s} },
	"forgets":    func(s driver.Store) driver.Store { return &forgets{Store: s} },
	"keeps":      func(s driver.Store) driver.Store { return keeps{s} },
}

func faultNames() string { return strings.Join(slices.Sorted(maps.Keys(faults)), ", ") }

func broken(s driver.Store, fault string) driver.Store {
	if wrap := faults[fault]; wrap != nil {
		return wrap(s)
	}
	return s
}

// overwrites loses conflicts.
type overwrites struct{ driver.Store }

func (s overwrites) Flush(ctx context.Context, r *driver.Record) error {
	for {
		stored, err := s.Retrieve(ctx, r.Key)
		if err != nil {
			return err
		}
		r.Version = stored.Version
		if err := s.Store.Flush(ctx, r); !errors.Is(err, driver.ErrConflict) {
			return err
		}
	}
}

// revives inserts what is to be flushed and has ended.
type revives struct{ driver.Store }

func (s revives) Flush(ctx context.Context, r *driver.Record) error {
	err := s.Store.Flush(ctx, r)
	if errors.Is(err, driver.ErrNotFound) {
		return s.Create(ctx, r)
	}
	return err
}

// mixes answers each 50th call with the record of the one before.
type mixes struct {
	driver.Store
	mu    sync.Mutex // guards what follows
	calls int
	last  *driver.Record
}

func (s *mixes) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	r, err := s.Store.Retrieve(ctx, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if err == nil && s.calls%50 == 0 && s.last != nil {
		return s.last, nil
	}
	if err == nil {
		s.last = r
	}
	return r, err
}

// forgets answers each 50th call as if there were no such session.
type forgets struct {
	driver.Store
	mu    sync.Mutex // guards calls
	calls int
}

func (s *forgets) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	s.mu.Lock()
	s.calls++
	forgotten := s.calls%50 == 0
	s.mu.Unlock()
	if forgotten {
		return nil, driver.ErrNotFound
	}
	return s.Store.Retrieve(ctx, key)
}

// keeps leaves what is renamed under the old key too.
type keeps struct{ driver.Store }

func (s keeps) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	old, err := s.Retrieve(ctx, oldKey)
	if err != nil {
		return err
	}
	if err := s.Store.ChangeID(ctx, oldKey, r); err != nil {
		return err
	}
	return s.Create(ctx, old)
}
