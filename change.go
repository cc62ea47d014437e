package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/meter"
	"gosession.dev/session/internal/values"
)

// A change is one change of a session that is not stored yet. If another request has stored the
// session meanwhile, the change is applied again to the new state.
type change struct {
	// apply changes st. It must give the same result each time for the same state. No other
	// goroutine uses st while apply runs.
	apply func(st *state) error

	name           string  // the name of the value, if ofValue
	ofValue        bool    // whether the change is about one value
	replaces       bool    // whether it makes earlier changes of that value moot
	survivesSignIn bool    // whether it stays when another user signs in: a change of the label or the timeouts
	renames        bool    // whether it needs a new ID
	signIn         *signIn // the sign-in, if the change is one
	taking         *taking // the state of the Take, if the change is one
}

// signIn is a pending sign-in. It is checked after it is stored.
type signIn struct {
	subject string
	start   time.Time   // when SignIn was called
	at      time.Time   // the time that orders the seats of the subject: start, or later, see seatAfter
	handle  meta.Handle // the new handle, if the session was another subject's before
	mark    uint64      // the number of the subject's mark when the attempt began; 0 if there was none
	clears  bool        // whether the session was another subject's when SignIn was called
}

// taking is the part of a Take that does not depend on the type of the value.
type taking struct {
	missed  bool   // whether there was no value when the change was last applied
	givenUp bool   // whether the Take has failed, so that the value stays
	data    []byte // the encoded value
}

func deletion(name string) change {
	return change{name: name, ofValue: true, replaces: true, apply: func(st *state) error {
		st.values.Delete(name)
		return nil
	}}
}

// applyAll applies changes in order.
func applyAll(st *state, changes []change) error {
	for _, c := range changes {
		if err := c.apply(st); err != nil {
			return callersError{err}
		}
	}
	return nil
}

// computeAll is like applyAll, for changes that may run the application's code. The session
// must not be locked.
func (s *Session) computeAll(st *state, changes []change) error {
	return compute(s, func() error { return applyAll(st, changes) })
}

// callersError is an error of the application's code, such as an UnmarshalJSON, that runs while
// changes are merged. Whatever it wraps, it says nothing about the session.
type callersError struct{ cause error }

func (e callersError) Error() string { return e.cause.Error() }

// Is matches the errors that the cause matches, except the errors of this package.
func (e callersError) Is(target error) bool {
	switch target {
	case ErrUnavailable, ErrSealed, ErrTooManySessions, ErrStaleSignIn:
		return false
	}
	if target != errors.ErrUnsupported && slices.Contains(meter.Answers[:], target) {
		return false
	}
	return errors.Is(e.cause, target)
}

func (e callersError) As(target any) bool { return errors.As(e.cause, target) }

// change applies c and keeps it. The session is locked meanwhile, so c.apply must not run the
// application's code.
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

// changeUnlocked applies c to a copy of the state and then adds kept to the changes. c.apply may
// run the application's code, because the session is not locked meanwhile. If the state has
// changed by then, changeUnlocked applies c again.
func (s *Session) changeUnlocked(c, kept change) error {
	if err := s.reentered(); err != nil {
		return err
	}
	return computeSteadily(func() (done bool, err error) {
		s.mu.Lock()
		before, draft := s.edits, s.state.clone()
		s.mu.Unlock()
		if err := compute(s, func() error { return c.apply(&draft) }); err != nil {
			return false, err
		}
		return s.replaceState(before, draft, kept)
	})
}

// replaceState installs draft and adds kept to the changes, unless the state has changed since the
// edit before, from which draft was made. It reports whether it did.
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

// mutableLocked returns an error if the session can't be changed.
func (s *Session) mutableLocked(renames bool) error {
	if err := s.reenteredLocked(); err != nil {
		return err
	}
	switch {
	case s.hasEndedLocked():
		return ErrNotFound
	case s.headerSent && (renames || s.phase == fresh || s.f.inCookie):
		return ErrHeaderSent
	}
	return nil
}

// keepLocked appends c to the changes, and drops those that c makes moot.
func (s *Session) keepLocked(c change) {
	if c.replaces {
		s.dropLocked(func(earlier change) bool { return earlier.ofValue && earlier.name == c.name })
	}
	s.changes = append(s.changes, c)
}

// dropLocked drops the changes for which moot is true. It keeps the first s.inFlight changes: a
// write that is under way, or of unknown outcome, counts them.
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

// withdraw drops changes whose write has failed, so that a later write does not store them. It
// keeps changes in a write of unknown outcome, which may be stored.
func (s *Session) withdraw(which func(change) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked(which)
}

// Discard drops the changes that are not stored yet: of values, label and timeouts, and a
// sign-in. The session then reads as it was last stored. If the ID has changed already, the
// response still sends the new one. A value that [Take] has returned stays removed.
//
// If a write has got no answer, Discard does not try it again, but does not undo it either. If
// another goroutine is storing the session, Discard waits for it. [Factory.HandlerFunc] calls
// Discard if the function fails.
func (s *Session) Discard() {
	_ = s.exclusively(context.Background(), func() error {
		ending := s.discard()
		ending.end()
		return nil
	})
}

// discard is like Discard, for callers that run in exclusively.
func (s *Session) discard() (ending endingContexts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes, s.unanswered, s.inFlight = nil, nil, 0
	s.edits++
	s.discardUnsureLocked()
	switch {
	case s.gone != nil:
		ending = s.unwatchLocked(&EndedError{ReasonUnknown})
		s.phase, s.stored.subject, s.wasOvertaken, s.why = s.gone.phase, s.gone.subject, s.gone.wasOvertaken, s.gone.why
		s.state, s.gone = newState(s.stored.created), nil
	case s.phase == live:
		s.state = s.storedStateLocked()
	case s.phase != destroyed:
		s.state = newState(s.stored.created)
	}
	return ending
}

// discardUnsureLocked prevents another try of a write of unknown outcome. No client knows the ID
// of a session that the write may have created, so that session is to be ended. The outcome of
// a change of the ID is found out by the next write, because the client has to learn the ID.
func (s *Session) discardUnsureLocked() {
	switch {
	case s.unsure == nil:
	case s.unsure.step == create:
		s.f.orphans.Add(s.unsure.record.Subject, s.unsure.record.Key)
		s.unsure = nil
	default:
		s.unsure.discarded, s.unsure.changes = true, 0
	}
}

// storedStateLocked returns the state of a live session as it was stored last.
func (s *Session) storedStateLocked() state {
	st := stateOf(s.stored.subject, &s.stored.meta)
	st.values, _ = values.Split(s.codec.Name(), s.stored.data, s.stored.meta.Index) // no error: the same data was split or joined before
	return st
}
