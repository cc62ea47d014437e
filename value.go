package session

import (
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// Get returns the value under key. If there is none, the error matches
// [ErrNoValue]; if it is not a T, the error names the key and the types. The
// value is decoded anew by each call and belongs to the caller.
func Get[T any](s *Session, key string) (T, error) {
	data, ok := s.raw(key)
	value, err := decodeValue[T](s.codec, key, data, ok)
	return value, wrap("get", err)
}

// Pop returns the value under key and removes it, for what is to be shown once
// ("flash messages"). For its errors, on which nothing is removed, see [Get].
func Pop[T any](s *Session, key string) (T, error) {
	var value T
	pop := change{apply: func(st *state) (err error) {
		data, ok := st.values.get(key)
		value, err = decodeValue[T](s.codec, key, data, ok)
		st.values.delete(key)
		return err
	}}
	err := s.changeUnlocked(pop, deletion(key))
	if err != nil {
		var zero T
		return zero, wrap("pop", err)
	}
	return value, nil
}

// Update replaces the value under key by what fn makes of it, or of the zero T if
// there is none. Use it for what depends on the value before, such as counters
// and lists: if another request changes the session at the same time, fn is run
// again on what that one stored, so that neither change is lost. It may therefore
// run several times, also during a later Flush, and must do nothing but compute.
//
// If the value is not a T, or can't be stored, the error names the key and the
// types, and nothing is changed.
func Update[T any](s *Session, key string, fn func(T) T) error {
	update := change{key: key, ofValue: true, apply: func(st *state) error {
		data, ok := st.values.get(key)
		old, err := decodeValue[T](s.codec, key, data, ok)
		if err != nil && ok {
			return err
		}
		data, err = encodeValue(s.codec, key, fn(old))
		if err != nil {
			return err
		}
		st.values.set(key, data)
		return nil
	}}
	return wrap("update", s.changeUnlocked(update, update))
}

// Has reports whether there is a value under key.
func (s *Session) Has(key string) bool {
	_, ok := s.raw(key)
	return ok
}

// Keys returns the keys of the values, sorted.
func (s *Session) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]string, len(s.state.values))
	for i, v := range s.state.values {
		keys[i] = string(v.key)
	}
	return keys
}

// Set encodes v and stores it under key: what happens to v later does not matter.
// It fails for what the codec can't carry or would silently lose, and the error
// names the key and the type.
func (s *Session) Set(key string, v any) error {
	if !utf8.ValidString(key) {
		return errors.New("session: set: a key must be UTF-8")
	}
	data, err := encodeValue(s.codec, key, v)
	if err != nil {
		return wrap("set", err)
	}
	return wrap("set", s.change(change{key: key, ofValue: true, replaces: true, apply: func(st *state) error {
		st.values.set(key, data)
		return nil
	}}))
}

// Delete removes the value under key, if there is one.
func (s *Session) Delete(key string) error {
	if !s.Has(key) {
		return nil
	}
	return wrap("delete", s.change(deletion(key)))
}

// Clear removes all values, and nothing else.
func (s *Session) Clear() error {
	return wrap("clear", s.change(change{apply: func(st *state) error {
		st.values = nil
		return nil
	}}))
}

// valueError tells of a value that can't be encoded or decoded. Its text has the
// key and the types, never the value.
type valueError struct {
	key   string
	typ   reflect.Type
	verb  string
	cause error
}

func (e *valueError) Error() string {
	if e.cause == ErrNoValue {
		return fmt.Sprintf("%v: %q", e.cause, e.key)
	}
	return fmt.Sprintf("value %q can't be %s %v: %v", e.key, e.verb, e.typ, e.cause)
}

func (e *valueError) Unwrap() error { return e.cause }

func decodeValue[T any](c Codec, key string, data []byte, ok bool) (T, error) {
	var value, zero T
	err := ErrNoValue
	if ok {
		err = c.Unmarshal(data, &value)
	}
	if err != nil {
		return zero, &valueError{key: key, typ: reflect.TypeFor[T](), verb: "read as", cause: err}
	}
	return value, nil
}

func encodeValue(c Codec, key string, v any) ([]byte, error) {
	data, err := c.Marshal(v)
	if err != nil {
		return nil, &valueError{key: key, typ: reflect.TypeOf(v), verb: "stored as", cause: err}
	}
	return data, nil
}

// raw returns the encoded value under key.
func (s *Session) raw(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.values.get(key)
}
