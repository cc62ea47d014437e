package session

import (
	"fmt"
	"reflect"
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
		data, ok := st.values[key]
		value, err = decodeValue[T](s.codec, key, data, ok)
		delete(st.values, key)
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
	update := change{key: key, apply: func(st *state) error {
		data, ok := st.values[key]
		old, err := decodeValue[T](s.codec, key, data, ok)
		if err != nil && ok {
			return err
		}
		data, err = encodeValue(s.codec, key, fn(old))
		if err != nil {
			return err
		}
		st.values[key] = data
		return nil
	}}
	return wrap("update", s.changeUnlocked(update, update))
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
