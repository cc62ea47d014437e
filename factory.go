package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/isnil"
	"gosession.dev/session/internal/keylock"
	"gosession.dev/session/internal/meter"
	"gosession.dev/session/internal/move"
	"gosession.dev/session/internal/orphans"
	"gosession.dev/session/internal/poll"
	"gosession.dev/session/internal/renames"
	"gosession.dev/session/internal/seal"
)

// A Factory creates, finds and ends the sessions of one store. It is to sessions what *sql.DB is
// to databases: a program makes it once, by [Open] or from a [Config], and closes it at the
// end. All methods are safe for concurrent use and honour their context. After Close, the
// methods that need the store fail with [ErrClosed].
type Factory struct {
	cfg     Config
	store   meter.Store
	sealing seal.Records
	meter   meter.Meter
	counts  counts

	// inCookie: sessions are kept in cookies, by a [driver.ClientSide], whose tokens are the
	// IDs.
	inCookie bool

	// The optional interfaces of the store; nil if the store does not have one.
	toucher   driver.Toucher
	pinger    driver.Pinger
	lister    driver.SubjectLister
	destroyer driver.SubjectDestroyer
	tracker   driver.RenameTracker

	noTouch  atomic.Bool // the toucher has returned errors.ErrUnsupported
	noMarks  atomic.Bool // the tracker has returned errors.ErrUnsupported
	noAnswer error       // for a call that took longer than StoreTimeout
	sweeper  *sweeper
	watchers *poll.Poller // of sessions with contexts
	renames  renames.Memory
	locks    keylock.Locks
	orphans  orphans.Set
	hint     sync.Once // of hintAtLoopback
}

// newFactory returns a factory with a Config that has its defaults, or an error if the store
// lacks what the Config needs. In errors the store is called name.
func newFactory(c Config, store driver.Store, name string) (*Factory, error) {
	clientSide, inCookie := store.(driver.ClientSide)
	if inCookie {
		if len(c.Secrets) > 0 {
			return nil, errors.New("session: Config.Secrets are for stores on a server, and this store seals by itself; drop them")
		}
		if store = clientSide.ForCookie(c.Cookie.Name); isnil.Value(store) {
			return nil, errors.New("session: the store's ForCookie has returned nil; its driver must return a store")
		}
	}
	for part := range move.Parts(store) {
		if _, clientSide := part.(driver.ClientSide); clientSide && !inCookie {
			return nil, errors.New("session: the store wraps one that keeps sessions in cookies, and has no ForCookie method; use the inner store without it")
		}
	}
	sealing, err := seal.NewRecords(c.Secrets, c.InsecureReadUnsealed)
	if err != nil {
		return nil, fmt.Errorf("session: Config.Secrets: %w", err)
	}
	f := &Factory{cfg: c, inCookie: inCookie, sealing: sealing, noAnswer: bounded.NoAnswerError{After: c.StoreTimeout}}
	if c.OnError == nil {
		f.cfg.OnError = f.answerError
	}
	f.store = f.meter.Store(store)
	if toucher, ok := able[driver.Toucher](store); ok {
		f.toucher = f.meter.Toucher(toucher)
	}
	if destroyer, ok := able[driver.SubjectDestroyer](store); ok {
		f.destroyer = f.meter.SubjectDestroyer(destroyer)
	}
	if tracker, ok := able[driver.RenameTracker](store); ok {
		f.tracker = f.meter.RenameTracker(tracker)
	}
	f.pinger, _ = able[driver.Pinger](store)
	f.lister, _ = able[driver.SubjectLister](store)
	if err := c.require(f.Features(), name); err != nil {
		return nil, err
	}
	f.watchers = poll.New()
	f.sweeper = startSweeper(f)
	return f, nil
}

// able returns store as the optional interface T, if it is capable of it.
func able[T any](store driver.Store) (T, bool) {
	if !move.Capable[T](store) {
		var none T
		return none, false
	}
	return store.(T), true
}

// Ping connects to the store and prepares it, if that was not done before, and returns an error
// if the store can't be used. Call it when the program starts.
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
	rec, err := f.store.Store.Retrieve(ctx, string(id.Key()))
	switch {
	case isGone(err):
		return nil
	case err == nil && rec == nil:
		return meter.ErrNoRecord
	case err == nil:
		return errors.New("the store has a record under a key that was just drawn at random")
	}
	return err
}

// Create stores a new, empty session and returns it. In a handler, use [FromContext] instead:
// its session is stored only when it has content, and the response sets the cookie.
func (f *Factory) Create(ctx context.Context) (*Session, error) {
	s := f.newSession()
	s.wanted = true
	if err := s.write(ctx); err != nil {
		return nil, wrap("create", err)
	}
	return s, nil
}

// Retrieve returns the session with an ID. It is for servers that receive the ID by means other
// than the cookie; in a handler, use [FromContext]. If there is no such session, or if it has
// expired, the error matches [ErrNotFound]. If its record can't be decoded, the error matches
// [ErrCorrupt]. An ID of the wrong form is not found, and never reaches the store.
func (f *Factory) Retrieve(ctx context.Context, id ID) (*Session, error) {
	s, err := f.retrieve(ctx, id)
	return s, wrap("retrieve", err)
}

// storeKey returns the key under which the store has the session with an ID.
func (f *Factory) storeKey(id ID) string {
	if f.inCookie {
		return id.Reveal()
	}
	return string(id.Key())
}

// keyOf returns the Key, for events and lists, of the session that the store has under key.
func (f *Factory) keyOf(key string) Key {
	if f.inCookie && len(key) != keyLength {
		return NewID(key).Key() // key is a token
	}
	return Key(key)
}

// isWellFormed reports whether the store may be asked for an ID.
func (f *Factory) isWellFormed(id ID) bool {
	if f.inCookie {
		return len(id.Reveal()) > keyLength && f.cookieCarries(id) // to the store, a shorter one is a key
	}
	return f.cfg.IDs.ValidateID(id)
}

// Sessions yields the keys of all live sessions, in no particular order. Sessions that begin or
// end during the iteration may be among them. An error ends the sequence. If the store can't
// list sessions, the error matches [errors.ErrUnsupported].
func (f *Factory) Sessions(ctx context.Context) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for key, err := range f.keys(ctx, f.store.Sessions) {
			if !yield(key, wrap("sessions", err)) {
				return
			}
		}
	}
}

// DeleteExpired deletes the sessions that have expired, in batches, and returns how many it has
// deleted. The factory also does that by itself; see [Config].SweepInterval.
func (f *Factory) DeleteExpired(ctx context.Context) (int, error) {
	n, err := f.store.DeleteExpired(ctx)
	return n, wrap("delete expired", outage(ctx, err))
}

// Close stops the sweeper, ends the contexts of [Session.Context], waits for their calls of the
// store, and closes the store. Calling it again has no effect.
func (f *Factory) Close() error {
	f.sweeper.stop()
	f.watchers.Close()
	return wrap("close", f.store.Close())
}

// call calls the store, for at most StoreTimeout: requests of net/http have no deadline, and must
// not hang because a store does. If the store has failed, the error matches
// [ErrUnavailable].
func (f *Factory) call(ctx context.Context, do func(context.Context) error) error {
	return f.callUntil(ctx, time.Now().Add(f.cfg.StoreTimeout), do)
}

// callUntil is call with a time at which the call has to end.
func (f *Factory) callUntil(ctx context.Context, until time.Time, do func(context.Context) error) error {
	return outage(ctx, bounded.CallUntil(ctx, until, f.noAnswer, do))
}

// callAside is call for calls of the store that concern no session. Only their failures are
// counted.
func (f *Factory) callAside(ctx context.Context, do func(context.Context) error) error {
	err := f.call(ctx, do)
	if err != nil {
		f.meter.Failed(ctx, err)
	}
	return err
}

// keys yields the keys of a listing of the store. Each step takes at most StoreTimeout.
func (f *Factory) keys(ctx context.Context, list func(context.Context) iter.Seq2[string, error]) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for key, err := range bounded.List(ctx, f.cfg.StoreTimeout, list) {
			if err != nil {
				f.meter.Failed(ctx, err)
			} else if !Key(key).isSession() {
				continue // the mark of a subject
			}
			if !yield(Key(key), outage(ctx, err)) {
				return
			}
		}
	}
}
