// Package intercept wraps a store and calls a function around each of its calls: for
// tracing, measuring, logging, or faults in tests.
//
//	store = intercept.New(store, func(ctx context.Context, call string, do func(context.Context) error) error {
//		begin := time.Now()
//		err := do(ctx)
//		log.Print(call, " took ", time.Since(begin))
//		return err
//	})
package intercept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

// An Around is called instead of the store's method named call. It makes that call by do,
// once, several times or not at all, with the context that it passes to do. The caller gets
// the error that the Around returns. For a listing, do returns when the listing has ended.
// Several goroutines may call an Around at once.
type Around func(ctx context.Context, call string, do func(context.Context) error) error

// Calls lists all values of the call argument of an [Around].
var Calls = []string{
	"Create", "Retrieve", "Flush", "ChangeID", "Destroy", "Sessions", "DeleteExpired",
	"Touch", "Ping", "SubjectSessions", "DestroySubject", "Renamed",
}

// A Store calls an inner store through an [Around]. It has the optional interfaces of
// package driver except ClientSide. A method that the inner store lacks returns
// [errors.ErrUnsupported] and does not call the Around. Close and Loses go to the inner
// store directly.
type Store struct {
	inner  driver.Store
	around Around
}

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
	_ driver.RenameTracker    = (*Store)(nil)
	_ driver.Lossy            = (*Store)(nil)
)

// New returns a store that makes each call of inner through around. Closing it closes
// inner.
func New(inner driver.Store, around Around) *Store { return &Store{inner, around} }

// Format writes a fixed text, so that nothing of the inner store is printed.
func (*Store) Format(f fmt.State, _ rune) { io.WriteString(f, "intercept.Store") }

// Unwrap returns the inner store. Package session looks there for the optional interfaces
// that s really has.
func (s *Store) Unwrap() driver.Store { return s.inner }

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	return s.around(ctx, "Create", func(ctx context.Context) error { return s.inner.Create(ctx, r) })
}

// Retrieve implements [driver.Store].
func (s *Store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	var r *driver.Record
	err := s.around(ctx, "Retrieve", func(ctx context.Context) (err error) {
		r, err = s.inner.Retrieve(ctx, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Flush implements [driver.Store].
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	return s.around(ctx, "Flush", func(ctx context.Context) error { return s.inner.Flush(ctx, r) })
}

// ChangeID implements [driver.Store].
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.around(ctx, "ChangeID", func(ctx context.Context) error { return s.inner.ChangeID(ctx, oldKey, r) })
}

// Destroy implements [driver.Store].
func (s *Store) Destroy(ctx context.Context, key string) error {
	return s.around(ctx, "Destroy", func(ctx context.Context) error { return s.inner.Destroy(ctx, key) })
}

// Sessions implements [driver.Store].
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.list(ctx, "Sessions", s.inner.Sessions)
}

// DeleteExpired implements [driver.Store].
func (s *Store) DeleteExpired(ctx context.Context) (n int, err error) {
	err = s.around(ctx, "DeleteExpired", func(ctx context.Context) (err error) {
		n, err = s.inner.DeleteExpired(ctx)
		return err
	})
	return n, err
}

// Close implements [driver.Store].
func (s *Store) Close() error { return s.inner.Close() }

// Touch implements [driver.Toucher].
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	toucher, ok := s.inner.(driver.Toucher)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.around(ctx, "Touch", func(ctx context.Context) error { return toucher.Touch(ctx, key, expires) })
}

// Ping implements [driver.Pinger].
func (s *Store) Ping(ctx context.Context) error {
	pinger, ok := s.inner.(driver.Pinger)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.around(ctx, "Ping", pinger.Ping)
}

// SubjectSessions implements [driver.SubjectLister].
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	lister, ok := s.inner.(driver.SubjectLister)
	if !ok {
		return func(yield func(string, error) bool) { yield("", errors.ErrUnsupported) }
	}
	return s.list(ctx, "SubjectSessions", func(ctx context.Context) iter.Seq2[string, error] {
		return lister.SubjectSessions(ctx, subject)
	})
}

// DestroySubject implements [driver.SubjectDestroyer].
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	destroyer, ok := s.inner.(driver.SubjectDestroyer)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.around(ctx, "DestroySubject", func(ctx context.Context) error {
		return destroyer.DestroySubject(ctx, subject, except...)
	})
}

// Renamed implements [driver.RenameTracker].
func (s *Store) Renamed(ctx context.Context, key string) (rename driver.Rename, err error) {
	tracker, ok := s.inner.(driver.RenameTracker)
	if !ok {
		return driver.Rename{}, errors.ErrUnsupported
	}
	err = s.around(ctx, "Renamed", func(ctx context.Context) (err error) {
		rename, err = tracker.Renamed(ctx, key)
		return err
	})
	return rename, err
}

// Loses implements [driver.Lossy].
func (s *Store) Loses() string {
	if lossy, ok := s.inner.(driver.Lossy); ok {
		return lossy.Loses()
	}
	return ""
}

// list makes a listing through the Around, which returns when the listing has ended.
func (s *Store) list(ctx context.Context, call string, list func(context.Context) iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		left := false // by the caller, whose loop must not be called again
		err := s.around(ctx, call, func(ctx context.Context) error {
			if left {
				return nil
			}
			for key, err := range list(ctx) {
				if err != nil {
					return err
				}
				if left = !yield(key, nil); left {
					return nil
				}
			}
			return nil
		})
		if err != nil && !left {
			yield("", err)
		}
	}
}
