package meter

import (
	"context"
	"errors"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/uptime"
)

// ErrNoRecord is the error of a Retrieve whose driver breaks the contract.
var ErrNoRecord = errors.New("the store returned neither a record nor an error; its driver must return driver.ErrNotFound")

// A Store wraps a store and counts its calls, except calls of Sessions and Close.
type Store struct {
	driver.Store
	m *Meter
}

// Store returns a store that counts the calls of s.
func (m *Meter) Store(s driver.Store) Store { return Store{s, m} }

func (s Store) Create(ctx context.Context, r *driver.Record) error {
	begin := uptime.Now()
	err := s.Store.Create(ctx, r)
	s.m.took(ctx, &s.m.Create, begin, err)
	return err
}

func (s Store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	begin := uptime.Now()
	r, err := s.Store.Retrieve(ctx, key)
	if r == nil && err == nil {
		err = ErrNoRecord
	}
	s.m.took(ctx, &s.m.Retrieve, begin, err)
	return r, err
}

func (s Store) Flush(ctx context.Context, r *driver.Record) error {
	begin := uptime.Now()
	err := s.Store.Flush(ctx, r)
	s.m.took(ctx, &s.m.Flush, begin, err)
	return err
}

func (s Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	begin := uptime.Now()
	err := s.Store.ChangeID(ctx, oldKey, r)
	s.m.took(ctx, &s.m.ChangeID, begin, err)
	return err
}

func (s Store) Destroy(ctx context.Context, key string) error {
	begin := uptime.Now()
	err := s.Store.Destroy(ctx, key)
	s.m.took(ctx, &s.m.Destroy, begin, err)
	return err
}

func (s Store) DeleteExpired(ctx context.Context) (int, error) {
	begin := uptime.Now()
	n, err := s.Store.DeleteExpired(ctx)
	s.m.took(ctx, &s.m.DeleteExpired, begin, err)
	s.m.Deleted.Add(int64(n))
	return n, err
}

// Toucher returns a Toucher that counts the calls of t.
func (m *Meter) Toucher(t driver.Toucher) driver.Toucher { return toucher{t, m} }

type toucher struct {
	driver.Toucher
	m *Meter
}

func (s toucher) Touch(ctx context.Context, key string, expires time.Time) error {
	begin := uptime.Now()
	err := s.Toucher.Touch(ctx, key, expires)
	s.m.took(ctx, &s.m.Touch, begin, err)
	return err
}

// SubjectDestroyer returns a SubjectDestroyer that counts the calls of d.
func (m *Meter) SubjectDestroyer(d driver.SubjectDestroyer) driver.SubjectDestroyer {
	return destroyer{d, m}
}

type destroyer struct {
	driver.SubjectDestroyer
	m *Meter
}

func (s destroyer) DestroySubject(ctx context.Context, subject string, except ...string) error {
	begin := uptime.Now()
	err := s.SubjectDestroyer.DestroySubject(ctx, subject, except...)
	s.m.took(ctx, &s.m.DestroySubject, begin, err)
	return err
}

// RenameTracker returns a RenameTracker that counts the calls of t.
func (m *Meter) RenameTracker(t driver.RenameTracker) driver.RenameTracker { return tracker{t, m} }

type tracker struct {
	driver.RenameTracker
	m *Meter
}

func (s tracker) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	begin := uptime.Now()
	rename, err := s.RenameTracker.Renamed(ctx, key)
	s.m.took(ctx, &s.m.Renamed, begin, err)
	return rename, err
}
