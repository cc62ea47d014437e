package session

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/seal"
)

// A Factory creates, finds and ends the sessions of one store. It is to sessions
// what *sql.DB is to databases: made once, by [Open] or from a [Config], shared by
// all goroutines, and closed at the end. All of its methods are safe for
// concurrent use and honour their context; after Close they fail with
// [ErrClosed].
type Factory struct {
	cfg   Config
	store metered
	box   *seal.Box // nil if nothing is sealed
	meter meter

	// inCookie: the store is a [driver.ClientSide], whose tokens are the IDs.
	inCookie bool

	// What the store can do beyond the contract; nil if it can't.
	toucher   driver.Toucher
	pinger    driver.Pinger
	lister    driver.SubjectLister
	destroyer driver.SubjectDestroyer
	tracker   driver.RenameTracker

	noTouch  atomic.Bool // the toucher has said that it can't
	noMarks  atomic.Bool // the tracker has said that it can't
	noAnswer error       // of a store that took longer than StoreTimeout
	sweeper  *sweeper
	watchers *watchers
	renames  renames
	turns    turns
	hint     sync.Once // the hint about Secure cookies on plain HTTP
}

// newFactory makes a factory of a complete Config, and refuses what its store or
// its keys can't serve.
func newFactory(c Config, store driver.Store) (*Factory, error) {
	clientSide, inCookie := store.(driver.ClientSide)
	if inCookie {
		if len(c.Keys) > 0 {
			return nil, errors.New("session: Config.Keys are for stores on a server, and this one seals by itself; drop them")
		}
		store = clientSide.ForCookie(c.Cookie.Name)
	}
	lister, _ := able[driver.SubjectLister](store)
	if c.MaxPerSubject > 0 && lister == nil {
		return nil, errors.New("session: Config.MaxPerSubject needs a store that lists the sessions of a subject, and this one can't; drop it, or take another driver")
	}
	box, err := newBox(c.Keys)
	if err != nil {
		return nil, err
	}
	f := &Factory{cfg: c, inCookie: inCookie, lister: lister, box: box, noAnswer: noAnswerError{c.StoreTimeout}}
	f.store = metered{store, &f.meter}
	if toucher, ok := able[driver.Toucher](store); ok {
		f.toucher = meteredToucher{toucher, &f.meter}
	}
	if destroyer, ok := able[driver.SubjectDestroyer](store); ok {
		f.destroyer = meteredDestroyer{destroyer, &f.meter}
	}
	if tracker, ok := able[driver.RenameTracker](store); ok {
		f.tracker = meteredTracker{tracker, &f.meter}
	}
	f.pinger, _ = able[driver.Pinger](store)
	f.watchers = newWatchers()
	f.sweeper = startSweeper(f)
	return f, nil
}

// able returns a store as an optional interface. A store that is around another one has
// all of them, whatever that can do, so the innermost decides.
func able[T any](store driver.Store) (T, bool) {
	capable, ok := store.(T)
	for ok {
		around, wraps := store.(interface{ Unwrap() driver.Store })
		if !wraps {
			return capable, true
		}
		store = around.Unwrap()
		_, ok = store.(T)
	}
	var none T
	return none, false
}

// Ping connects to the store if need be, prepares it, and returns an error if it
// can't serve. Programs call it when they start.
func (f *Factory) Ping(ctx context.Context) error {
	err := f.callAside(ctx, func(ctx context.Context) error {
		if f.pinger != nil {
			err := f.pinger.Ping(ctx)
			if !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
		}
		return f.pingByRetrieve(ctx)
	})
	return wrap("ping", err)
}

func (f *Factory) pingByRetrieve(ctx context.Context) error {
	id, err := defaultIDs{}.GenerateID()
	if err != nil {
		return err
	}
	_, err = f.store.Store.Retrieve(ctx, string(id.Key()))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Create stores a new, empty session and returns it. In a handler, use
// [FromContext] instead: it stores a session only if something is set, and sends
// the cookie.
func (f *Factory) Create(ctx context.Context) (*Session, error) {
	s := f.newSession()
	s.wanted = true
	if err := s.write(ctx); err != nil {
		return nil, wrap("create", err)
	}
	return s, nil
}

// Retrieve returns the session of an ID, for servers that get it by means other than
// the cookie; in a handler, use [FromContext]. If there is none, or if it
// has expired, the error matches [ErrNotFound]; an ID of the wrong form never
// reaches the store. If it can't be decoded, the error matches [ErrCorrupt].
func (f *Factory) Retrieve(ctx context.Context, id ID) (*Session, error) {
	s, err := f.retrieve(ctx, id)
	return s, wrap("retrieve", err)
}

// storeKey is what the store knows the session of an ID by.
func (f *Factory) storeKey(id ID) string {
	if f.inCookie {
		return string(id)
	}
	return string(id.Key())
}

// keyOf is the name, for events and lists, of what the store knows by key.
func (f *Factory) keyOf(key string) Key {
	if f.inCookie && len(key) != keyLength {
		return ID(key).Key() // it is a token
	}
	return Key(key)
}

// isWellFormed reports whether an ID may be asked for.
func (f *Factory) isWellFormed(id ID) bool {
	if f.inCookie {
		return len(id) > keyLength && f.cookieCarries(id) // the store takes what is shorter for a key
	}
	return f.cfg.IDs.ValidateID(id)
}

// Sessions returns the keys of all live sessions, in no particular order. Those
// that begin or end meanwhile may be among them. An error ends the sequence. If
// the store can't list, the error is [errors.ErrUnsupported].
func (f *Factory) Sessions(ctx context.Context) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for key, err := range f.keys(ctx, f.store.Sessions) {
			if !yield(key, wrap("sessions", err)) {
				return
			}
		}
	}
}

// DeleteExpired deletes the sessions that have expired, in batches, and returns
// how many there were. The factory does it by itself, see
// [Config].SweepInterval.
func (f *Factory) DeleteExpired(ctx context.Context) (int, error) {
	n, err := f.store.DeleteExpired(ctx)
	return n, wrap("delete expired", outage(ctx, err))
}

// Close ends the sweeper and what waits for [Session.Done], waits for them, and
// closes the store. It is idempotent.
func (f *Factory) Close() error {
	f.sweeper.stop()
	f.watchers.close()
	return wrap("close", f.store.Close())
}
