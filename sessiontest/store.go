package sessiontest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gosession.dev/session/driver"
)

// ErrOutage is what a store might say whose server can't be reached: none of the
// errors that packages session and driver know.
var ErrOutage = errors.New("sessiontest: connection refused")

// Fault is what a [Store] does instead of what it should.
type Fault struct {
	// Calls are the methods of package driver that it concerns, as in "Retrieve" or
	// "Touch"; none means all.
	Calls []string

	// Delay is how long the call takes in addition, if its context does not end
	// before.
	Delay time.Duration

	// Err is what the call returns: [ErrOutage], or [driver.ErrConflict] for a write
	// that meets another. Nil means that the call is made, after Delay.
	Err error

	// AnswerLost makes the call, and returns Err all the same: the caller can't know
	// that it has succeeded.
	AnswerLost bool

	// Times is how many calls it concerns; 0 means all until [Store.Heal].
	Times int
}

// Store passes calls on to another, or does what it was told to do instead. It
// implements all optional interfaces of package driver, and returns
// [errors.ErrUnsupported] for those that the other lacks. It is safe for concurrent
// use.
type Store struct {
	store driver.Store
	t     testing.TB

	mu     sync.Mutex // guards what follows
	faults []Fault
	calls  map[string]int
}

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
)

// methods are those that a Fault may concern.
var methods = []string{
	"Create", "Retrieve", "Flush", "ChangeID", "Destroy", "Sessions", "DeleteExpired",
	"Touch", "Ping", "SubjectSessions", "DestroySubject",
}

// Wrap returns a Store over another one, for [session.Config.New].
func Wrap(t testing.TB, store driver.Store) *Store {
	return &Store{store: store, t: t, calls: map[string]int{}}
}

// Inject adds a fault. Of several that concern a call the first has effect.
func (s *Store) Inject(f Fault) {
	s.t.Helper()
	for _, call := range f.Calls {
		if !slices.Contains(methods, call) {
			s.t.Fatalf("sessiontest: Fault.Calls names %q; want one of %s", call, strings.Join(methods, ", "))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// Heal ends all faults.
func (s *Store) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Calls returns how many calls there were of each method since it was called last.
func (s *Store) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := maps.Clone(s.calls)
	clear(s.calls)
	return calls
}

// next counts a call and returns the fault that it meets.
func (s *Store) next(call string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[call]++
	for i, f := range s.faults {
		if len(f.Calls) > 0 && !slices.Contains(f.Calls, call) {
			continue
		}
		switch f.Times {
		case 0:
		case 1:
			s.faults = slices.Delete(s.faults, i, i+1)
		default:
			s.faults[i].Times--
		}
		return f
	}
	return Fault{}
}

// do makes a call, or meets a fault.
func (s *Store) do(ctx context.Context, call string, do func() error) error {
	f := s.next(call)
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.Err == nil {
		return do()
	}
	if f.AnswerLost {
		_ = do()
	}
	return f.Err
}

// Create implements [driver.Store].
func (s *Store) Create(ctx context.Context, r *driver.Record) error {
	return s.do(ctx, "Create", func() error { return s.store.Create(ctx, r) })
}

// Retrieve implements [driver.Store].
func (s *Store) Retrieve(ctx context.Context, key string) (r *driver.Record, err error) {
	err = s.do(ctx, "Retrieve", func() (err error) {
		r, err = s.store.Retrieve(ctx, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Flush implements [driver.Store].
func (s *Store) Flush(ctx context.Context, r *driver.Record) error {
	return s.do(ctx, "Flush", func() error { return s.store.Flush(ctx, r) })
}

// ChangeID implements [driver.Store].
func (s *Store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.do(ctx, "ChangeID", func() error { return s.store.ChangeID(ctx, oldKey, r) })
}

// Destroy implements [driver.Store].
func (s *Store) Destroy(ctx context.Context, key string) error {
	return s.do(ctx, "Destroy", func() error { return s.store.Destroy(ctx, key) })
}

// Sessions implements [driver.Store].
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.list(ctx, "Sessions", s.store.Sessions)
}

// DeleteExpired implements [driver.Store].
func (s *Store) DeleteExpired(ctx context.Context) (n int, err error) {
	err = s.do(ctx, "DeleteExpired", func() (err error) {
		n, err = s.store.DeleteExpired(ctx)
		return err
	})
	return n, err
}

// Close closes the other store. It meets no faults.
func (s *Store) Close() error { return s.store.Close() }

// Touch implements [driver.Toucher].
func (s *Store) Touch(ctx context.Context, key string, expires time.Time) error {
	toucher, ok := s.store.(driver.Toucher)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.do(ctx, "Touch", func() error { return toucher.Touch(ctx, key, expires) })
}

// Ping implements [driver.Pinger].
func (s *Store) Ping(ctx context.Context) error {
	pinger, ok := s.store.(driver.Pinger)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.do(ctx, "Ping", func() error { return pinger.Ping(ctx) })
}

// SubjectSessions implements [driver.SubjectLister].
func (s *Store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	lister, ok := s.store.(driver.SubjectLister)
	if !ok {
		return func(yield func(string, error) bool) { yield("", errors.ErrUnsupported) }
	}
	return s.list(ctx, "SubjectSessions", func(ctx context.Context) iter.Seq2[string, error] {
		return lister.SubjectSessions(ctx, subject)
	})
}

// DestroySubject implements [driver.SubjectDestroyer].
func (s *Store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	destroyer, ok := s.store.(driver.SubjectDestroyer)
	if !ok {
		return errors.ErrUnsupported
	}
	return s.do(ctx, "DestroySubject", func() error { return destroyer.DestroySubject(ctx, subject, except...) })
}

// list passes a listing on, unless it meets a fault at its beginning.
func (s *Store) list(ctx context.Context, call string, list func(context.Context) iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := s.do(ctx, call, func() error { return nil }); err != nil {
			yield("", err)
			return
		}
		list(ctx)(yield)
	}
}
