package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/meta"
	"gosession.dev/session/internal/move"
	"gosession.dev/session/internal/seal"
)

// isKey matches a key.
var isKey = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// isKeyOfSession reports whether key can be the key of a session. Package session stores
// records of its own, such as the marks of subjects, under keys of other lengths.
func isKeyOfSession(key string) bool { return len(key) == 43 }

// errNoKey is the error for an argument that is not a key. It does not repeat the argument,
// which may be a session ID or the token of a cookie: both are secrets.
func errNoKey(position int) error {
	return coded{fmt.Errorf("argument %d is not a key: a key has 43 characters, and sessionctl list prints it. "+
		"If it is an ID from a cookie, it is a secret that is now in the history of your shell: end the sessions of its user with sessionctl end --subject", position), exitUsage}
}

// isSealed reports whether err says that a session is sealed under a secret that
// SESSION_SECRETS does not have.
func isSealed(err error) bool {
	return errors.Is(err, driver.ErrSealed) || errors.Is(err, seal.ErrUnknownSecret)
}

// isUnreadable reports whether err says that a session can't be unsealed or decoded, which is no
// failure of the store.
func isUnreadable(err error) bool { return isSealed(err) || errors.Is(err, session.ErrCorrupt) }

// storeTimeout limits each call of the store, and each step of a listing. It is the default of
// Config.StoreTimeout, which limits the factory's calls.
const storeTimeout = 5 * time.Second

// record returns the record of a session as it is stored: its data may be sealed.
func (f opened) record(ctx context.Context, key session.Key) (r *driver.Record, err error) {
	err = bounded.Call(ctx, storeTimeout, func(ctx context.Context) error {
		r, err = f.store.Retrieve(ctx, string(key))
		return err
	})
	return r, err
}

// noting is a store whose Retrieve also copies the record to the one in its context, if there is
// one. A command thus gets the record of a session that the factory decodes, with one read.
type noting struct{ *intercept.Store }

func newNoting(store driver.Store) noting {
	return noting{intercept.New(store, func(ctx context.Context, _ string, do func(context.Context) error) error { return do(ctx) })}
}

type noteIn struct{} // the context key for the *driver.Record to copy to

func (s noting) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	r, err := s.Store.Retrieve(ctx, key)
	if into, ok := ctx.Value(noteIn{}).(*driver.Record); ok && err == nil {
		*into = *r
		into.Data, into.Meta = bytes.Clone(r.Data), bytes.Clone(r.Meta) // the factory may change r
	}
	return r, err
}

// encoding is how the values of a session are stored.
type encoding struct {
	codec  string // the name of the codec; "" if unknown
	sealed bool
}

// encodingOf returns how the values in r are stored.
func encodingOf(r *driver.Record) encoding {
	e := encoding{sealed: seal.IsSealed(r.Data)}
	if m, err := meta.Parse(move.Thawed(r)); err == nil {
		e.codec = m.Codec
	}
	return e
}

// keysWhere yields the keys of the sessions for whose records wanted returns true. It skips
// records that the store can't read, and calls hidden for each.
func (f opened) keysWhere(ctx context.Context, hidden func(), wanted func(*driver.Record) bool) iter.Seq2[session.Key, error] {
	return func(yield func(session.Key, error) bool) {
		for key, err := range f.Sessions(ctx) {
			var r *driver.Record
			if err == nil {
				r, err = f.record(ctx, key)
			}
			switch {
			case errors.Is(err, session.ErrCorrupt):
				hidden()
				continue
			case errors.Is(err, session.ErrNotFound), err == nil && !wanted(r):
				continue
			}
			if !yield(key, err) || err != nil {
				return
			}
		}
	}
}
