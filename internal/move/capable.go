package move

import (
	"iter"

	"gosession.dev/session/driver"
)

// Parts yields a store and then each store that it wraps, directly or not.
func Parts(store driver.Store) iter.Seq[driver.Store] {
	return func(yield func(driver.Store) bool) { parts(store, yield) }
}

func parts(store driver.Store, yield func(driver.Store) bool) bool {
	if !yield(store) {
		return false
	}
	switch around := store.(type) {
	case *Store:
		return parts(around.new, yield) && parts(around.old, yield)
	case interface{ Unwrap() driver.Store }:
		return parts(around.Unwrap(), yield)
	}
	return true
}

// Capable reports whether a store supports the optional interface T of package driver. A wrapper
// has all methods, whatever the wrapped store supports, so the innermost store decides too. A
// [Store] supports what both of its stores support: a feature that the new store lacks would be
// lost at the last step of a migration, so it must be refused at the first.
func Capable[T any](store driver.Store) bool {
	if _, ok := store.(T); !ok {
		return false
	}
	switch around := store.(type) {
	case *Store:
		return bothCapable[T](around)
	case interface{ Unwrap() driver.Store }:
		return Capable[T](around.Unwrap())
	}
	return true
}

func bothCapable[T any](s *Store) bool {
	switch any((*T)(nil)).(type) {
	case *driver.Pinger, *driver.Toucher:
		return true // Store has its own fallback
	case *driver.SubjectDestroyer:
		return endsSubjects(s.new) && endsSubjects(s.old)
	}
	return Capable[T](s.new) && Capable[T](s.old)
}

// endsSubjects reports whether package session can end the sessions of a subject in a store, in
// one step or one by one.
func endsSubjects(store driver.Store) bool {
	return Capable[driver.SubjectDestroyer](store) || Capable[driver.SubjectLister](store)
}
