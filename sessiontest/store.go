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
	"gosession.dev/session/driver/intercept"
)

// ErrOutage is an error for [Fault].Err, like that of a store whose server can't be reached.
// It matches none of the errors of packages session and driver.
var ErrOutage = errors.New("sessiontest: connection refused")

// A Fault makes calls of a [Store] slow, or makes them fail.
type Fault struct {
	// Calls names the methods of package driver that the fault affects, as in "Retrieve" or
	// "Touch"; none means all.
	Calls []string

	// Delay is how long a call waits before anything else. If its context ends first, the
	// call returns the error of that.
	Delay time.Duration

	// Err is what a call returns instead of being made: [ErrOutage], or [driver.ErrConflict]
	// for a write that meets a competing write. If it is nil, the call is made.
	Err error

	// AnswerLost makes the call before it returns Err: the caller can't know whether the
	// call has succeeded.
	AnswerLost bool

	// Times is how many calls the fault affects; 0 means all until [Store.Heal].
	Times int
}

// A Store passes calls on to another store, unless a [Fault] makes them fail. It implements
// the optional interfaces of package driver, except for ClientSide, and returns
// [errors.ErrUnsupported] for what the other store lacks. It is safe for concurrent use.
type Store struct {
	*store
	t testing.TB

	mu     sync.Mutex // guards what follows
	faults []Fault
	calls  map[string]int
}

type store = intercept.Store

// Wrap returns a Store around inner, for [session.Config.New]. If inner is a
// [driver.ClientSide], the test fails: such a store is not called.
func Wrap(t testing.TB, inner driver.Store) *Store {
	t.Helper()
	if _, clientSide := inner.(driver.ClientSide); clientSide {
		t.Fatal("sessiontest: a store that keeps sessions with the client can't be wrapped")
	}
	s := &Store{t: t, calls: map[string]int{}}
	s.store = intercept.New(inner, s.do)
	return s
}

// Inject adds a fault. If several faults affect a call, the first has effect.
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

// TakeCalls returns the number of calls of each method since the last TakeCalls, as in
// {"Retrieve": 1}. Calls that a fault made fail count too.
func (s *Store) TakeCalls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := maps.Clone(s.calls)
	clear(s.calls)
	return calls
}

// next counts a call and returns the fault that affects it, or a Fault that does nothing.
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

// do makes a call, or fails it as a fault says.
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
