package main

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/soak/wire"
)

// faults are the faults of stores, by name. Each store does one thing wrong.
var faults = map[string]func(driver.Store) driver.Store{
	"overwrites": func(s driver.Store) driver.Store { return overwrites{s} },
	"revives":    func(s driver.Store) driver.Store { return revives{s} },
	"mixes":      func(s driver.Store) driver.Store { return &mixes{Store: s} },
	"forgets":    func(s driver.Store) driver.Store { return &forgets{Store: s} },
	"keeps":      func(s driver.Store) driver.Store { return &keeps{Store: s} },
	"unmarks":    func(s driver.Store) driver.Store { return unmarks{s} },
}

// welcomes is the name of a fault of the page for sign-ins.
const welcomes = "welcomes"

// faultNames returns the names of all faults.
func faultNames() string {
	return strings.Join(append(slices.Sorted(maps.Keys(faults)), welcomes), ", ")
}

// broken returns s with the fault, if it is one of stores.
func broken(s driver.Store, fault string) driver.Store {
	if wrap := faults[fault]; wrap != nil {
		return wrap(s)
	}
	return s
}

// overwrites ignores conflicts: it overwrites what another request has written.
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

// revives inserts the record again if Flush finds that the session has ended.
type revives struct{ driver.Store }

func (s revives) Flush(ctx context.Context, r *driver.Record) error {
	err := s.Store.Flush(ctx, r)
	if errors.Is(err, driver.ErrNotFound) {
		return s.Create(ctx, r)
	}
	return err
}

// mixes returns the record of the call before from every 50th Retrieve.
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

// forgets returns ErrNotFound from every 50th Retrieve.
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

// keeps finds a record under its old key, too, after ChangeID.
type keeps struct {
	driver.Store
	mu  sync.Mutex // guards old
	old map[string]*driver.Record
}

func (s *keeps) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	old, err := s.Retrieve(ctx, oldKey)
	if err != nil {
		return err
	}
	if err := s.Store.ChangeID(ctx, oldKey, r); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.old == nil {
		s.old = map[string]*driver.Record{}
	}
	s.old[oldKey] = old
	return nil
}

func (s *keeps) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	r, err := s.Store.Retrieve(ctx, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.old[key]; old != nil && errors.Is(err, driver.ErrNotFound) {
		clone := *old
		return &clone, nil
	}
	return r, err
}

// unmarks never knows that a key was changed.
type unmarks struct{ driver.Store }

func (s unmarks) Renamed(context.Context, string) (driver.Rename, error) {
	return driver.Rename{}, driver.ErrNotFound
}

// welcome drops every fifth sign-in and answers as if it had succeeded, like an application that
// ignores the error of Flush.
func welcome(do action) action {
	var calls atomic.Int64
	return func(s *session.Session, r *http.Request) (wire.View, error) {
		if calls.Add(1)%5 != 0 {
			return do(s, r)
		}
		v, err := look(s)
		v.User = r.FormValue("user")
		return v, err
	}
}
