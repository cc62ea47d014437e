// Package isnil finds nil pointers and functions in an interface that is itself not nil, such as
// a driver.Store that holds a (*T)(nil). Package session rejects such values when a factory is
// made, so that they do not panic in the first request.
package isnil

import (
	"reflect"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/move"
)

// Value reports whether v is nil or holds a nil pointer or function. A nil slice or map does not
// count: its methods may work.
func Value(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return r.IsNil()
	}
	return false
}

// Store reports whether a store, or a store that it wraps, is nil.
func Store(store driver.Store) bool {
	for part := range move.Parts(store) {
		if Value(part) {
			return true
		}
	}
	return false
}
