package faulttest

import (
	"context"
	"errors"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

// method is a call of a store that concerns a record.
type method struct {
	name string
	call func(context.Context, *driver.Record) error
}

// methods are those that a store has.
func methods(s driver.Store) []method {
	all := []method{
		{"Create", s.Create},
		{"Retrieve", func(ctx context.Context, r *driver.Record) error {
			_, err := s.Retrieve(ctx, r.Key)
			return err
		}},
		{"Flush", s.Flush},
		{"ChangeID", func(ctx context.Context, r *driver.Record) error {
			renamed := *r
			renamed.Key += "-new"
			return s.ChangeID(ctx, r.Key, &renamed)
		}},
		{"Destroy", func(ctx context.Context, r *driver.Record) error { return s.Destroy(ctx, r.Key) }},
		{"Sessions", func(ctx context.Context, _ *driver.Record) error { return drain(s.Sessions(ctx)) }},
		{"DeleteExpired", func(ctx context.Context, _ *driver.Record) error {
			_, err := s.DeleteExpired(ctx)
			return err
		}},
	}
	if s, ok := s.(driver.Toucher); ok {
		all = append(all, method{"Touch", func(ctx context.Context, r *driver.Record) error {
			return s.Touch(ctx, r.Key, r.Expires.Add(time.Minute))
		}})
	}
	if s, ok := s.(driver.Pinger); ok {
		all = append(all, method{"Ping", func(ctx context.Context, _ *driver.Record) error { return s.Ping(ctx) }})
	}
	if s, ok := s.(driver.SubjectLister); ok {
		all = append(all, method{"SubjectSessions", func(ctx context.Context, r *driver.Record) error {
			return drain(s.SubjectSessions(ctx, r.Subject))
		}})
	}
	if s, ok := s.(driver.SubjectDestroyer); ok {
		all = append(all, method{"DestroySubject", func(ctx context.Context, r *driver.Record) error {
			return s.DestroySubject(ctx, r.Subject)
		}})
	}
	if s, ok := s.(driver.RenameTracker); ok {
		all = append(all, method{"Renamed", func(ctx context.Context, r *driver.Record) error {
			_, err := s.Renamed(ctx, r.Key)
			if errors.Is(err, driver.ErrNotFound) {
				return nil // the answer for a live record
			}
			return err
		}})
	}
	return all
}

func drain(keys iter.Seq2[string, error]) error {
	for _, err := range keys {
		if err != nil {
			return err
		}
	}
	return nil
}
