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

// faults are stores that do one thing wrong.
var faults = map[string]func(driver.Store) driver.Store{
	"overwrites": func(s driver.Store) driver.Store { return overwrites{s} },
	"revives":    func(s driver.Store) driver.Store { return revives{s} },
	"mixes":      func(s driver.Store) driver.Store { return &mixes{Store: s} },
	"forgets":    func(s driver.Store) driver.Store { return &forgets{Store: s} },
	"keeps":      func(s driver.Store) driver.Store { return &keeps{Store: s} },
	"unmarks":    func(s driver.Store) driver.Store { return unmarks{s} },
}

// welcomes is a fault of the page.
const welcomes = "welcomes"

func faultNames() string {
	return strings.Join(append(slices.Sorted(maps.Keys(faults)), welcomes), ", ")
}

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

// keeps finds what is renamed under the old key too.
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

// unmarks finds no mark of a key that was changed.
type unmarks struct{ driver.Store }

func (s unmarks) Renamed(context.Context, string) (driver.Rename, error) {
	return driver.Rename{}, driver.ErrNotFound
}

// welcome drops each 5th sign-in and answers as if it had succeeded, as an application
// does that ignores the error of Flush.
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
