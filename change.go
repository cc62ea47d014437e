package session

import (
	"errors"

	"gosession.dev/session/driver"
)

// A change is something done to a session since it was last stored. It is kept
// until it is stored, to be applied again to what others have stored meanwhile.
type change struct {
	// apply changes st. It must give the same result each time for the same
	// state; no other goroutine uses st while it runs.
	apply func(st *state) error

	key      string  // of the value that is concerned, if ofValue
	ofValue  bool    // it is about one value
	replaces bool    // whatever was done to that value before is moot
	aside    bool    // it is about what stands beside the values: the label, the timeouts
	renames  bool    // the session has to be stored under a new ID
	signIn   *signIn // it says whose the session is
	taking   *taking // it takes a value, see Take
}

func deletion(key string) change {
	return change{key: key, ofValue: true, replaces: true, apply: func(st *state) error {
		st.values.delete(key)
		return nil
	}}
}

// applyAll applies changes in their order.
func applyAll(st *state, changes []change) error {
	for _, c := range changes {
		if err := c.apply(st); err != nil {
			return callersError{err}
		}
	}
	return nil
}

// callersError is an error from the application's code, such as an UnmarshalJSON, that
// runs while changes are merged. Whatever it wraps, it says nothing about the session.
type callersError struct{ cause error }

func (e callersError) Error() string { return e.cause.Error() }

// Is matches what the cause matches, but for the errors of this package.
func (e callersError) Is(target error) bool {
	for _, own := range []error{
		ErrNotFound, ErrConflict, ErrTooLarge, ErrCorrupt, ErrClosed, ErrUnavailable, ErrSealed, ErrTooManySessions, ErrStaleSignIn, driver.ErrExists,
	} {
		if target == own {
			return false
		}
	}
	return errors.Is(e.cause, target)
}

func (e callersError) As(target any) bool { return errors.As(e.cause, target) }

// change applies c and keeps it. Its apply must not run code of the caller, for
// the session is locked.
func (s *Session) change(c change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mutableLocked(c.renames); err != nil {
		return err
	}
	if err := c.apply(&s.state); err != nil {
		return err
	}
	s.edits++
	s.keepLocked(c)
	return nil
}

// changeUnlocked applies c, whose apply runs code of the caller, to a copy of the
// state while the session is not locked, again if the state changes meanwhile.
// What it keeps is kept.
func (s *Session) changeUnlocked(c, kept change) error {
	for {
		s.mu.Lock()
		before, draft := s.edits, s.state.clone()
		s.mu.Unlock()
		if err := c.apply(&draft); err != nil {
			return err
		}
		if done, err := s.replaceState(before, draft, kept); done || err != nil {
			return err
		}
	}
}

// replaceState installs draft, which was made of the state as it was before, and
// reports whether the state still was that.
func (s *Session) replaceState(before uint64, draft state, kept change) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mutableLocked(kept.renames); err != nil {
		return false, err
	}
	if s.edits != before {
		return false, nil
	}
	s.state = draft
	s.edits++
	s.keepLocked(kept)
	return true, nil
}

// mutableLocked returns why the session can't be changed, if it can't.
func (s *Session) mutableLocked(renames bool) error {
	switch {
	case s.phase == lost || s.phase == destroyed:
		return ErrNotFound
	case s.headerSent && (renames || s.phase == fresh || s.f.inCookie):
		return ErrHeaderSent
	}
	return nil
}

// keepLocked appends c to the changes, in the place of what it makes moot. A write
// that is under way, or of unknown outcome, knows the first s.inFlight of them by
// number: those stay.
func (s *Session) keepLocked(c change) {
	if c.replaces {
		s.dropLocked(func(earlier change) bool { return earlier.ofValue && earlier.key == c.key })
	}
	s.changes = append(s.changes, c)
}

// dropLocked drops those changes that no write covers and that are moot.
func (s *Session) dropLocked(moot func(change) bool) {
	kept := s.changes[:s.inFlight]
	for _, c := range s.changes[s.inFlight:] {
		if !moot(c) {
			kept = append(kept, c)
		}
	}
	clear(s.changes[len(kept):])
	s.changes = kept
}

// withdraw takes back changes whose write has failed, so that they do not happen with a
// later one, and reports whether it could. Those that a write of unknown outcome covers
// stay: they may have happened.
func (s *Session) withdraw(which func(change) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.changes)
	s.dropLocked(which)
	return len(s.changes) < before
}
