package drivertest

import (
	"context"
	"errors"
	"slices"
	"time"

	"gosession.dev/session/driver"
)

// method is a method of a store, for rules that apply to all methods. call is given a live
// record r, and writes if the method can.
type method struct {
	name  string
	needs Interfaces
	call  func(ctx context.Context, s driver.Store, r *driver.Record) error
}

var methods = []method{
	{"Create", 0, func(ctx context.Context, s driver.Store, r *driver.Record) error {
		return s.Create(ctx, newRecord(r.Key+"-created"))
	}},
	{"Retrieve", 0, func(ctx context.Context, s driver.Store, r *driver.Record) error {
		_, err := s.Retrieve(ctx, r.Key)
		return err
	}},
	{"Flush", 0, func(ctx context.Context, s driver.Store, r *driver.Record) error {
		return s.Flush(ctx, withData(r, "flushed"))
	}},
	{"ChangeID", 0, func(ctx context.Context, s driver.Store, r *driver.Record) error {
		return s.ChangeID(ctx, r.Key, renamed(r, r.Key+"-moved"))
	}},
	{"Destroy", 0, func(ctx context.Context, s driver.Store, r *driver.Record) error {
		return s.Destroy(ctx, r.Key)
	}},
	{"Sessions", 0, func(ctx context.Context, s driver.Store, _ *driver.Record) error {
		_, err := collect(s.Sessions(ctx))
		return err
	}},
	{"DeleteExpired", 0, func(ctx context.Context, s driver.Store, _ *driver.Record) error {
		_, err := s.DeleteExpired(ctx)
		return err
	}},
	{"Touch", Toucher, func(ctx context.Context, s driver.Store, r *driver.Record) error {
		return s.(driver.Toucher).Touch(ctx, r.Key, r.Expires.Add(time.Hour))
	}},
	{"Ping", Pinger, func(ctx context.Context, s driver.Store, _ *driver.Record) error {
		return s.(driver.Pinger).Ping(ctx)
	}},
	{"SubjectSessions", SubjectLister, func(ctx context.Context, s driver.Store, r *driver.Record) error {
		_, err := collect(s.(driver.SubjectLister).SubjectSessions(ctx, r.Subject))
		return err
	}},
	{"DestroySubject", SubjectDestroyer, func(ctx context.Context, s driver.Store, r *driver.Record) error {
		return s.(driver.SubjectDestroyer).DestroySubject(ctx, r.Subject)
	}},
	{"Renamed", RenameTracker, func(ctx context.Context, s driver.Store, r *driver.Record) error {
		_, err := s.(driver.RenameTracker).Renamed(ctx, r.Key)
		if errors.Is(err, driver.ErrNotFound) {
			return nil // a live record has no mark
		}
		return err
	}},
}

// has returns the methods that Target.Implements names and the store has.
func (t *trial) has(s driver.Store) []method {
	implements := t.tgt.Implements & implementedBy(s)
	return slices.DeleteFunc(slices.Clone(methods), func(m method) bool { return m.needs&^implements != 0 })
}

// works returns the same methods as has, without Sessions if the backend can't list.
func (t *trial) works(s driver.Store) []method {
	_, err := collect(s.Sessions(t.ctx))
	return slices.DeleteFunc(t.has(s), func(m method) bool {
		return m.name == "Sessions" && errors.Is(err, errors.ErrUnsupported)
	})
}
