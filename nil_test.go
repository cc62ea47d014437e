package session_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
	"gosession.dev/session/sessiontest"
)

// empty is a store whose methods return nil.
type empty struct{ driver.Store }

func (empty) Retrieve(context.Context, string) (*driver.Record, error)         { return nil, nil }
func (empty) Sessions(context.Context) iter.Seq2[string, error]                { return nil }
func (empty) SubjectSessions(context.Context, string) iter.Seq2[string, error] { return nil }
func (empty) DestroySubject(context.Context, string, ...string) error          { return errors.ErrUnsupported }
func (empty) Create(context.Context, *driver.Record) error                     { return nil }
func (empty) Close() error                                                     { return nil }

// nowhereDriver is a driver whose Open returns store, which is nil.
type nowhereDriver struct{ store driver.Store }

func (d nowhereDriver) Open(string) (driver.Store, error) { return d.store, nil }

// noCookies is a store whose ForCookie returns nil.
type noCookies struct{ driver.Store }

func (noCookies) ForCookie(string) driver.Store { return nil }

type pointerIDs struct{ session.IDs }

func TestNilIsRefused(t *testing.T) {
	for name, store := range map[string]driver.Store{"nil": nil, "nil pointer": (*probe)(nil)} {
		_, err := session.Config{}.New(store)
		require.ErrorContains(t, err, "the store is nil; check the error", name)
	}
	around := map[string]driver.Store{
		"sessiontest": sessiontest.Wrap(t, nil), "wrapped twice": sessiontest.Wrap(t, sessiontest.Wrap(t, (*probe)(nil))),
		"migrate to": migrate.New(nil, newProbe()), "migrate from": migrate.New(newProbe(), sessiontest.Wrap(t, nil)), "prepare": migrate.Prepare(newProbe(), nil),
	}
	for name, store := range around {
		_, err := session.Config{MaxPerSubject: 1}.New(store)
		require.ErrorContains(t, err, "the store is nil; check the error", name)
		for _, pair := range [][2]driver.Store{{store, newProbe()}, {newProbe(), store}, {nil, newProbe()}, {newProbe(), nil}, {nil, nil}} {
			_, err = migrate.Move(t.Context(), pair[0], pair[1], migrate.MoveOptions{})
			require.ErrorContains(t, err, "a store is nil; check the error", name)
		}
	}
	_, err := session.Config{}.New(noCookies{memory.New(memory.Options{})})
	require.ErrorContains(t, err, "ForCookie")
	_, err = session.Config{IDs: (*pointerIDs)(nil)}.New(newProbe())
	require.ErrorContains(t, err, "Config.IDs is a nil pointer")
	for _, c := range []session.Codec{nil, (*pointerCodec)(nil)} {
		_, err = session.Config{Codecs: []session.Codec{c}}.New(newProbe())
		require.ErrorContains(t, err, "codec 0 is nil")
	}
	for _, d := range []driver.Driver{nil, (*nowhereDriver)(nil)} {
		require.PanicsWithValue(t, `session: Register of a nil driver as "nil"`, func() { session.Register("nil", d) })
	}
	session.Register("nowhere", nowhereDriver{})
	session.Register("nowhere2", nowhereDriver{(*probe)(nil)})
	for _, name := range []string{"nowhere", "nowhere2"} {
		_, err = session.Open(name, "")
		require.ErrorContains(t, err, "neither a store nor an error")
	}
}

type pointerCodec struct{ session.Codec }

// A store that returns neither a result nor an error has failed.
func TestStoreReturnsNothing(t *testing.T) {
	f := factory(t, quiet(session.Config{SweepInterval: -1}), empty{newProbe()})
	id := created(t, f).ID()
	failed := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.ErrorContains(t, err, "its driver must return")
		require.NotErrorIs(t, err, session.ErrNotFound)
	}
	_, err := f.Retrieve(t.Context(), id)
	failed(err)
	_, _, err = f.Inspect(t.Context(), id.Key())
	failed(err)
	failed(f.Ping(t.Context()))
	failed(f.DestroySubject(t.Context(), "ada"))
	for _, err := range f.Sessions(t.Context()) {
		failed(err)
	}
	for _, err := range f.SubjectSessions(t.Context(), "ada") {
		failed(err)
	}
	w := served(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		require.Nil(t, s)
		failed(err)
	})), get(), id)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
}

func TestNilInContext(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	var none context.Context
	for _, ctx := range []context.Context{
		none, session.NewContext(t.Context(), nil), session.NewContext(t.Context(), &session.Session{}), session.NewContext(none, nil),
		context.WithValue(session.NewContext(t.Context(), nil), new(int), 1),
	} {
		for _, from := range []func(context.Context) (*session.Session, error){session.FromContext, f.FromContext} {
			s, err := from(ctx)
			require.Nil(t, s)
			require.Error(t, err)
		}
	}
	s := created(t, f)
	ctx := session.NewContext(none, s)
	require.NoError(t, ctx.Err())
	got, err := session.FromContext(ctx)
	require.NoError(t, err)
	require.Same(t, s, got)
}

// After a panic of the store, FromContext returns an error, and never a nil session without one.
func TestStorePanics(t *testing.T) {
	p := newProbe()
	f := factory(t, quiet(session.Config{SweepInterval: -1}), p)
	id := created(t, f).ID()
	p.intercept(func(context.Context, string) error { panic("in the driver") })
	for name, of := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"the request's context": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
		"a context of its own":  context.WithCancel,
	} {
		t.Run(name, func(t *testing.T) {
			w := served(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				ctx, cancel := of(r.Context())
				defer cancel()
				for range 3 {
					func() {
						defer func() { _ = recover() }()
						s, err := session.FromContext(ctx)
						require.Nil(t, s)
						require.ErrorIs(t, err, session.ErrUnavailable)
					}()
				}
			})), get(), id)
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
		})
	}
}

// A caller of FromContext, even the first one, waits no longer than its own context lasts. The next
// caller gets the session.
func TestFromContextDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, quiet(session.Config{SweepInterval: -1}), p)
		s := created(t, f)
		p.intercept(func(ctx context.Context, _ string) error {
			select {
			case <-time.After(2 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		w := served(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for _, patience := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 0} {
				begin := time.Now()
				ctx, cancel := context.WithTimeout(r.Context(), patience)
				_, err := session.FromContext(ctx)
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, patience, time.Since(begin))
			}
			got, err := session.FromContext(r.Context())
			require.NoError(t, err)
			require.Equal(t, s.Key(), got.Key())
		})), get(), s.ID())
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, 1, p.take()["Retrieve"])
	})
}

// As with [http.Handle], a nil handler is found when the program starts, and not by its users.
func TestNilHandler(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	require.PanicsWithValue(t, "session: Handler of a nil http.Handler", func() { f.Handler(nil) })
	require.PanicsWithValue(t, "session: HandlerFunc of a nil function", func() { f.HandlerFunc(nil) })
}
