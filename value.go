package session

import (
	"context"
	"errors"
	"fmt"

	"gosession.dev/session/internal/values"
)

// Get returns the value under name, decoded into a T. If there is no value, Get returns the
// zero T and no error; call [Session.Has] to tell the difference. If the value does not decode
// into a T, the error names the value and the type. After the session has ended, the error
// matches [ErrNotFound].
//
// Each call decodes the value anew, so the result belongs to the caller. Names must be UTF-8.
// Get fails if it would have to round an integer for an interface in T.
func Get[T any](s *Session, name string) (T, error) {
	value, err := get[T](s, name)
	return value, wrap("get", err)
}

func get[T any](s *Session, name string) (T, error) {
	var zero T
	if err := values.CheckName(name); err != nil {
		return zero, err
	}
	data, ok, err := s.raw(name)
	if !ok {
		return zero, err
	}
	return values.Decode[T](s.codec, name, data)
}

// Update replaces the value under name by the result of fn, which gets the current value, or
// the zero T if there is none. Use it where the new value depends on the old one, as for
// counters and lists. If another request stores the session before this one does, flushing calls fn
// again with the value that the other request has stored, so that neither change is lost.
//
// So fn may run several times, also during a later Flush, and must do nothing but compute. It
// may read the session. A call in fn that changes or stores the session fails, and so does
// the Update or Flush that has called fn.
//
// If the value does not decode into a T, or the result can't be stored, the error names the
// value and the types, and nothing is changed.
func Update[T any](s *Session, name string, fn func(T) T) error {
	if err := values.CheckName(name); err != nil {
		return wrap("update", err)
	}
	update := change{name: name, ofValue: true, apply: func(st *state) error {
		var old T
		if data, ok := st.values.Get(name); ok {
			var err error
			if old, err = values.Decode[T](s.codec, name, data); err != nil {
				return err
			}
		}
		data, err := values.Encode(s.codec, name, fn(old))
		if err != nil {
			return err
		}
		st.values.Set(name, data)
		return nil
	}}
	return wrap("update", s.changeUnlocked(update, update))
}

// Has reports whether there is a value under name. If name is not UTF-8, Has returns false.
func (s *Session) Has(name string) bool {
	_, ok, _ := s.raw(name)
	return ok && values.CheckName(name) == nil
}

// Names returns the names of the values, sorted.
func (s *Session) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, len(s.state.values))
	for i, v := range s.state.values {
		names[i] = string(v.Name)
	}
	return names
}

// Set encodes v and stores it under name. Later changes to v do not affect the session. Set
// fails for a v that the codec can't encode, or would lose a part of; the error names the value
// and the type. As a rule that depends on the type of v only, so that the first test of your
// program finds it. Set refuses
//
//   - With [JSON]: structs with an unexported field that holds data, unless the field is
//     tagged json:"-", or the struct has both MarshalJSON and UnmarshalJSON, or both
//     MarshalText and UnmarshalText; structs with fields of which none is encoded, or with two
//     fields under one name; marshalling methods that JSON does not call, because they have
//     pointer receivers and v holds no pointer; types with only one method of such a pair, if
//     the result can't be read back; values in interfaces with methods; text that is not
//     UTF-8; more than 10,000 levels of nesting.
//   - With [Gob]: structs with an unexported field or a function, unless the struct has
//     GobEncode and GobDecode; nil, cycles, and pointers to zero values in fields.
//
// JSON decodes an interface, such as an element of []any, as a string, bool, float64, []any or
// map[string]any. Set refuses an integer in an interface if a float64 can't hold it. A pointer
// to a nil pointer reads as nil.
//
// To store a type of another package that JSON refuses because of an unexported field, encode
// the value without that field, and Set the [encoding/json.RawMessage]. Get, Pop and Take
// decode it into the type.
func (s *Session) Set(name string, v any) error {
	if err := values.CheckName(name); err != nil {
		return wrap("set", err)
	}
	data, err := values.Encode(s.codec, name, v)
	if err != nil {
		return wrap("set", err)
	}
	return wrap("set", s.change(change{name: name, ofValue: true, replaces: true, apply: func(st *state) error {
		st.values.Set(name, data)
		return nil
	}}))
}

// Delete removes the value under name. Without such a value it does nothing.
func (s *Session) Delete(name string) error {
	if err := values.CheckName(name); err != nil {
		return wrap("delete", err)
	}
	if !s.Has(name) {
		return nil
	}
	return wrap("delete", s.change(deletion(name)))
}

// Clear removes all values. Subject, label, timeouts and ID stay.
func (s *Session) Clear() error {
	return wrap("clear", s.change(change{apply: func(st *state) error {
		st.values = nil
		return nil
	}}))
}

// raw returns the encoded value under name. If the session has ended, the error is ErrNotFound.
func (s *Session) raw(name string) (data []byte, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasEndedLocked() {
		return nil, false, ErrNotFound
	}
	data, ok = s.state.values.Get(name)
	return data, ok, nil
}

// Take removes the value under name from the store and returns it: at most one request gets
// the value, on however many servers. Use it for what must happen once, such as redeeming a
// token. Take stores pending changes too. For a message that may be shown twice, [Pop] is
// cheaper.
//
// If there is no value, or another request has taken it, the error matches [ErrNoValue]. After
// any other error this request does not get the value. The value stays in the session, unless
// the process fails, the context ends, or the error matches [ErrUnavailable]: then the value
// may be lost, and no request gets it.
//
// With drivers/cookie, Take needs a store of revocations. Without one the error matches
// [errors.ErrUnsupported]; with one, after the header of the response is sent, [ErrHeaderSent].
func Take[T any](ctx context.Context, s *Session, name string) (T, error) {
	var t taking
	var value, zero T
	if err := values.CheckName(name); err != nil {
		return zero, wrap("take", err)
	}
	take := change{name: name, ofValue: true, taking: &t, renames: s.f.inCookie, apply: func(st *state) error {
		data, ok := st.values.Get(name)
		t.data = nil
		if t.missed = !ok; t.missed || t.givenUp {
			return nil
		}
		taken, err := values.Decode[T](s.codec, name, data)
		if err != nil {
			return err
		}
		value, t.data = taken, data
		st.values.Delete(name)
		return nil
	}}
	if err := s.take(ctx, take); err != nil {
		return zero, wrap("take", err)
	}
	if t.missed {
		return zero, wrap("take", fmt.Errorf("%w named %q", ErrNoValue, name))
	}
	return value, nil
}

// take applies a change that takes a value and stores it, or undoes it.
func (s *Session) take(ctx context.Context, c change) error {
	if s.f.inCookie && !s.f.tracksRenames() {
		return errors.ErrUnsupported
	}
	return s.exclusively(ctx, func() error {
		err := s.changeUnlocked(c, c)
		if errors.Is(err, ErrHeaderSent) && c.taking.missed {
			return nil // there is nothing to store
		}
		if err != nil {
			return err
		}
		if c.taking.missed {
			s.withdraw(func(earlier change) bool { return earlier.taking == c.taking })
			return nil
		}
		if err = s.writeExclusively(ctx); err != nil {
			s.putBack(c)
		}
		return err
	})
}

// putBack undoes a change that takes a value and could not be stored. If the outcome of the
// write is unknown, the value stays in the session if the store still has it. The next write
// reads the session first, because another request, or another change of this request, may
// have removed the value.
func (s *Session) putBack(c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.taking.givenUp = true
	s.dropLocked(func(earlier change) bool { return earlier.taking == c.taking })
	s.stored.version = 0
	if _, is := s.state.values.Get(c.name); !is && !c.taking.missed && (s.phase == fresh || s.phase == live) {
		s.state.values.Set(c.name, c.taking.data)
		s.edits++
	}
}

// Pop returns the value under name and removes it. Use it for messages that are shown once and
// may be shown twice ("flash messages"). If there is no value, Pop returns the zero T and no
// error, and changes nothing. It fails as [Get] does; then nothing is removed.
//
// The value leaves the store when the session is flushed. Until then other requests read it
// too, so that two requests which pop it at the same time both get it. Use [Take] for what
// must happen once. If another request has changed the value in the meantime, for instance
// appended a message to a list, the changed value stays.
func Pop[T any](s *Session, name string) (T, error) {
	var p popped[T]
	err := values.CheckName(name)
	if err == nil {
		err = s.changeUnlocked(change{apply: func(st *state) error { return p.pop(s.codec, name, st) }},
			change{name: name, ofValue: true, apply: func(st *state) error { return p.remove(s.codec, name, st) }})
	}
	if err == errNothing {
		_, _, err = s.raw(name) // ErrNotFound if the session has ended
	}
	if err != nil {
		var zero T
		return zero, wrap("pop", err)
	}
	return p.value, nil
}

// errNothing says that Pop has found no value, so that there is no change to keep.
var errNothing = errors.New("nothing to pop")

// popped is a value that Pop returns.
type popped[T any] struct {
	value T      // the value to return
	data  []byte // its encoding
}

func (p *popped[T]) pop(c Codec, name string, st *state) (err error) {
	*p = popped[T]{} // another goroutine may have removed the value since an earlier run found it
	data, ok := st.values.Get(name)
	if !ok {
		return errNothing
	}
	p.value, err = values.Decode[T](c, name, data)
	p.data = data
	st.values.Delete(name)
	return err
}

// remove removes the value unless it has changed since. It compares decoded values, because an
// Update of this request before the Pop encodes the value anew at a merge.
func (p *popped[T]) remove(c Codec, name string, st *state) error {
	if data, ok := st.values.Get(name); ok && values.Same[T](c, data, p.data) {
		st.values.Delete(name)
	}
	return nil
}
