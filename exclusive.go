package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gosession.dev/session/internal/stack"
)

// One goroutine at a time writes a session. The application's code that runs in the middle of
// a change must neither change nor store the session.

// exclusively calls do when no other goroutine writes the session, and makes them wait until do returns.
func (s *Session) exclusively(ctx context.Context, do func() error) error {
	writing, err := s.awaitTurn(ctx)
	if err != nil {
		return err
	}
	defer func() { <-writing }()
	return do()
}

var errInWrite = errors.New("Config.OnEvent, or other code that is called while the session is stored, must not store the session")

// awaitTurn returns the semaphore s.writing after it has filled it.
func (s *Session) awaitTurn(ctx context.Context) (writing chan struct{}, err error) {
	s.mu.Lock()
	if s.writing == nil {
		s.writing = make(chan struct{}, 1)
	}
	writing, err = s.writing, s.reenteredLocked()
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case writing <- struct{}{}:
		return writing, nil
	default:
	}
	if stack.Calls((*Session).exclusively) > 1 { // the first call is the caller of awaitTurn
		return nil, errInWrite
	}
	return writing, s.awaitOther(ctx, writing)
}

// awaitOther waits for the write of another goroutine. It gives up if the application's code
// does not return and holds up that write: the code may itself wait for this goroutine.
func (s *Session) awaitOther(ctx context.Context, writing chan struct{}) error {
	patience := time.NewTicker(s.f.cfg.StoreTimeout)
	defer patience.Stop()
	held := s.oldestComputation()
	for {
		select {
		case writing <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
		}
		now := s.oldestComputation()
		if now != nil && now == held {
			return fmt.Errorf("another write of the session waits for a function given to Update, which has not returned for %v", s.f.cfg.StoreTimeout)
		}
		held = now
	}
}

func (s *Session) oldestComputation() *computation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.computing) == 0 {
		return nil
	}
	return s.computing[0]
}

// The application's code runs in the middle of a change: the function given to Update, and
// methods that encode and decode values. The session is not locked meanwhile, so that this
// code may read it. If another goroutine changes the session meanwhile, the code runs again.
// So code that changes the session would run again for ever, and code that stores it would
// wait for itself. The stack of the calling goroutine tells whether it is in that code.

// computation is one call of the application's code.
type computation struct {
	misused bool // whether the code has tried to change or store the session
}

var (
	errInCompute = errors.New("the function given to Update, or a method that encodes or decodes a value, must not change or store the session, nor write the response, which stores it; do so before or after")
	errUnsteady  = fmt.Errorf("the function given to Update ran %d times, and each time other goroutines changed the session meanwhile; it must not start them or wait for them", maxRuns)
)

// maxRuns is how often a change is computed in a row while other goroutines of the request
// change the session.
const maxRuns = 1000

// compute calls run, which runs the application's code. If that has tried to change or store
// the session, compute returns an error, even if the code has ignored its own error.
func compute(s *Session, run func() error) error {
	c := &computation{}
	s.mu.Lock()
	if s.computing == nil {
		s.computing = s.room[:0]
	}
	s.computing = append(s.computing, c)
	s.mu.Unlock()
	defer func() { // even if run panics or ends its goroutine
		s.mu.Lock()
		defer s.mu.Unlock()
		s.computing = slices.DeleteFunc(s.computing, func(other *computation) bool { return other == c })
	}()
	err := run()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.misused {
		return errInCompute
	}
	return err
}

// computeSteadily calls try until it is done, which means that no other goroutine has changed
// the session meanwhile.
func computeSteadily(try func() (done bool, err error)) error {
	for range maxRuns {
		if done, err := try(); done || err != nil {
			return err
		}
	}
	return errUnsteady
}

// reentered returns an error if this goroutine is in a call of compute.
func (s *Session) reentered() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reenteredLocked()
}

func (s *Session) reenteredLocked() error {
	if len(s.computing) == 0 || stack.Calls(compute) == 0 {
		return nil
	}
	if len(s.computing) == 1 {
		s.computing[0].misused = true
	}
	return errInCompute
}
