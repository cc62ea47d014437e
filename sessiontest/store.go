package sessiontest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/intercept"
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
// implements the optional interfaces of package driver, but for ClientSide, and
// returns [errors.ErrUnsupported] for what the other lacks. It is safe for concurrent
// use.
type Store struct {
	*store
	t testing.TB

	mu     sync.Mutex // guards what follows
	faults []Fault
	calls  map[string]int
}

type store = intercept.Store

// Wrap returns a Store over another one, for [session.Config.New]. That must not be a
// [driver.ClientSide], which makes no calls.
func Wrap(t testing.TB, inner driver.Store) *Store {
	t.Helper()
	if _, clientSide := inner.(driver.ClientSide); clientSide {
		t.Fatal("sessiontest: a store that keeps sessions with the client can't be wrapped")
	}
	s := &Store{t: t, calls: map[string]int{}}
	s.store = intercept.New(inner, s.do)
	return s
}

// Inject adds a fault. Of several that concern a call the first has effect.
func (s *Store) Inject(f Fault) {
	s.t.Helper()
	for _, call := range f.Calls {
		if !slices.Contains(intercept.Calls, call) {
			s.t.Fatalf("sessiontest: Fault.Calls names %q; want one of %s", call, strings.Join(intercept.Calls, ", "))
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
func (s *Store) do(ctx context.Context, call string, do func(context.Context) error) error {
	f := s.next(call)
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.Err == nil {
		return do(ctx)
	}
	if f.AnswerLost {
		_ = do(ctx)
	}
	return f.Err
}
