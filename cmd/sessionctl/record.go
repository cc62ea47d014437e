package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/seal"
)

// isKeyOfSession reports whether a key can be that of a session. Under keys of other
// lengths, package session keeps records of its own, such as the marks of subjects.
func isKeyOfSession(key string) bool { return len(key) == 43 }

// isSealed reports whether an error says that a session is sealed under a secret that
// SESSION_KEYS does not have.
func isSealed(err error) bool {
	return errors.Is(err, driver.ErrSealed) || errors.Is(err, seal.ErrUnknownSecret)
}

// isUnreadable reports whether an error is about one session, and not about the store.
func isUnreadable(err error) bool { return isSealed(err) || errors.Is(err, session.ErrCorrupt) }

// storeTimeout bounds a call of the store, as Config.StoreTimeout bounds the calls of the
// factory.
const storeTimeout = 5 * time.Second

// record returns the record of a session as the store has it: sealed, if it is.
func (f opened) record(ctx context.Context, key session.Key) (r *driver.Record, err error) {
	err = inTime(ctx, func(ctx context.Context) error {
		r, err = f.store.Retrieve(ctx, string(key))
		return err
	})
	return r, err
}

func inTime(ctx context.Context, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := do(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("the store did not answer within %v: %w", storeTimeout, err)
	}
	return err
}

// keysWhere returns the keys of the sessions whose records are as wanted. Records that
// the store can't read are left out.
func (f opened) keysWhere(ctx context.Context, wanted func(*driver.Record) bool) iter.Seq2[session.Key, error] {
	return func(yield func(session.Key, error) bool) {
		for key, err := range f.Sessions(ctx) {
			var r *driver.Record
			if err == nil {
				r, err = f.record(ctx, key)
			}
			if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrCorrupt) || err == nil && !wanted(r) {
				continue
			}
			if !yield(key, err) || err != nil {
				return
			}
		}
	}
}
