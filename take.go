package session

import (
	"context"
	"errors"
)

// Take returns the value under name and removes it from the store before it returns: of
// all requests that take the value, on however many servers, at most one gets it. Use
// it for what must happen once, such as redeeming a token. It stores pending changes
// too. For what may happen twice, such as a message to be shown, [Pop] is cheaper.
//
// If there is no value, or another request has taken it, the error matches
// [ErrNoValue]. After any other error this request has not got the value; it is still
// there, unless the process fails, the context ended, or the error matches
// [ErrUnavailable]: then it may be that no request gets it.
//
// Sessions that are kept in cookies can only be taken from if they can be revoked;
// otherwise the error matches [errors.ErrUnsupported].
func Take[T any](ctx context.Context, s *Session, name string) (T, error) {
	var t taking
	var value, zero T
	take := change{key: name, ofValue: true, taking: &t, renames: s.f.inCookie, apply: func(st *state) error {
		data, ok := st.values.get(name)
		t.data = nil
		if t.missed = !ok; t.missed || t.givenUp {
			return nil
		}
		taken, err := decodeValue[T](s.codec, name, data, ok)
		if err != nil {
			return err
		}
		value, t.data = taken, data
		st.values.delete(name)
		return nil
	}}
	if err := s.take(ctx, take); err != nil {
		return zero, wrap("take", err)
	}
	if t.missed {
		return zero, wrap("take", &valueError{key: name, cause: ErrNoValue})
	}
	return value, nil
}

// taking is the part of Take that knows no types.
type taking struct {
	missed  bool   // there was no value when the change was applied last
	givenUp bool   // Take has failed: the value is to stay where it is
	data    []byte // of the value
}

// take stores a change that takes a value, or takes it back.
func (s *Session) take(ctx context.Context, c change) error {
	if s.f.inCookie && !s.f.tracksRenames() {
		return errors.ErrUnsupported
	}
	return s.exclusively(ctx, func() error {
		if err := s.changeUnlocked(c, c); err != nil {
			return err
		}
		if c.taking.missed {
			s.withdraw(func(earlier change) bool { return earlier.taking == c.taking })
			return nil
		}
		err := s.writeExclusively(ctx)
		if err != nil {
			s.putBack(c)
		}
		return err
	})
}

// putBack undoes a change that takes a value and was not stored. Where that is not
// known, the value stays if it turns out to be there still. The next write reads the
// session first: others, and other changes of this request, may have removed the value.
func (s *Session) putBack(c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.taking.givenUp = true
	s.dropLocked(func(earlier change) bool { return earlier.taking == c.taking })
	s.stored.version = 0
	if _, is := s.state.values.get(c.key); !is && !c.taking.missed && (s.phase == fresh || s.phase == live) {
		s.state.values.set(c.key, c.taking.data)
		s.edits++
	}
}
