package migrate_test

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
)

// bare is a store without optional interfaces.
type bare struct{ driver.Store }

// destroyer is a store that ends the sessions of a subject, and does not list them.
type destroyer struct {
	bare
	driver.SubjectDestroyer
}

// lister is a store that lists the sessions of a subject, and does not end them in one call.
type lister struct {
	bare
	driver.SubjectLister
}

// wrapper has a method that the store inside it does not support.
type wrapper struct{ bare }

func (wrapper) SubjectSessions(context.Context, string) iter.Seq2[string, error] {
	panic("SubjectSessions was called, though Unwrap returns a store without it")
}
func (s wrapper) Unwrap() driver.Store { return s.bare }

func newMemory() driver.Store { return memory.New(memory.Options{}) }

func newDestroyer() driver.Store {
	s := newMemory()
	return destroyer{bare{s}, s.(driver.SubjectDestroyer)}
}

func newLister() driver.Store {
	s := newMemory()
	return lister{bare{s}, s.(driver.SubjectLister)}
}

// A pair supports what both of its stores support: otherwise Config.New would fail at the last
// step of a migration.
func TestFeatures(t *testing.T) {
	for name, tt := range map[string]struct {
		a, b        func() driver.Store
		lists, ends bool
	}{
		"both list and end":      {newMemory, newMemory, true, true},
		"one can't end":          {newMemory, newLister, true, true},
		"one can't list":         {newMemory, newDestroyer, false, true},
		"both only list":         {newLister, newLister, true, true},
		"one lists, one ends":    {newLister, newDestroyer, false, true},
		"one can't list or end":  {newMemory, func() driver.Store { return bare{newMemory()} }, false, false},
		"one wraps a bare store": {newMemory, func() driver.Store { return wrapper{bare{newMemory()}} }, false, false},
		"one is a pair":          {newMemory, func() driver.Store { return migrate.New(newMemory(), newDestroyer()) }, false, true},
	} {
		for _, swapped := range []bool{false, true} {
			for stage, pair := range map[string]func(to, from driver.Store) driver.Store{"prepare": migrate.Prepare, "move": migrate.New} {
				t.Run(name+"/"+stage, func(t *testing.T) {
					ctx := t.Context()
					a, b := tt.a(), tt.b()
					if swapped {
						a, b = b, a
					}
					_, err := session.Config{MaxPerSubject: 1}.New(pair(a, b))
					if tt.lists {
						require.NoError(t, err)
					} else {
						require.ErrorContains(t, err, "can't list the sessions of a subject (Config.MaxPerSubject)")
					}
					f, err := session.Config{SweepInterval: -1}.New(pair(a, b))
					require.NoError(t, err)
					has := session.Features{ServerSide: true, SubjectSessions: tt.lists, DestroySubject: tt.ends}
					require.Equal(t, has, f.Features())
					_, err = session.Config{SweepInterval: -1, Require: has}.New(pair(a, b))
					require.NoError(t, err)
					s, err := f.Create(ctx)
					require.NoError(t, err)
					require.NoError(t, s.SignIn(ctx, "ada"))
					require.NoError(t, s.Flush(ctx))
					for _, err := range f.SubjectSessions(ctx, "ada") {
						require.Equal(t, !tt.lists, errors.Is(err, errors.ErrUnsupported), "%v", err)
					}
					err = f.DestroySubject(ctx, "ada")
					require.Equal(t, !tt.ends, errors.Is(err, errors.ErrUnsupported), "%v", err)
					_, err = f.Retrieve(ctx, s.ID())
					require.Equal(t, tt.ends, errors.Is(err, session.ErrNotFound))
					require.NoError(t, f.Ping(ctx))
				})
			}
		}
	}
}

// Open refuses two DSNs of one store.
func TestOpenRefusesSameStore(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"memory:a", "memory:a", true},
		{"memory:a", "memory:a?max_sessions=5", true},
		{"memory:a", "memory:b", false},
		{"memory:", "memory:", false},
	} {
		for _, pair := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
			store, err := migrate.Driver{}.Open("new=" + url.PathEscape(pair[0]) + "&old=" + url.PathEscape(pair[1]) + "&stage=move")
			if tt.same {
				require.EqualError(t, err, "migrate: new and old are the same store; name two", "Open(new=%s, old=%s)", pair[0], pair[1])
				continue
			}
			require.NoError(t, err, "Open(new=%s, old=%s)", pair[0], pair[1])
			require.NoError(t, store.Close())
		}
	}
}

// Ping finds out by a write whether two stores are the same, which Open can't see. The record
// that it writes appears in no listing.
func TestPingRefusesSameStore(t *testing.T) {
	ctx := t.Context()
	a, b := newMemory(), newMemory()
	for name, pair := range map[string]driver.Store{
		"the same store": migrate.New(a, a), "a wrapper of it": migrate.New(bare{a}, a), "a pair that contains it": migrate.New(migrate.New(a, b), a),
	} {
		require.ErrorContains(t, pair.(driver.Pinger).Ping(ctx), "the same", name)
	}
	pair := migrate.New(a, b)
	for range 2 {
		require.NoError(t, pair.(driver.Pinger).Ping(ctx))
	}
	for key, err := range pair.Sessions(ctx) {
		require.NoError(t, err)
		t.Errorf("Sessions yields %q after Ping; want no keys", key)
	}
	full := memory.New(memory.Options{MaxSessions: 1})
	now := time.Now()
	require.NoError(t, full.Create(ctx, &driver.Record{Key: "k", Created: now, Expires: now.Add(time.Hour)}))
	require.Error(t, migrate.New(full, b).(driver.Pinger).Ping(ctx), "Ping of a pair whose new store is full")
	require.NoError(t, a.Close())
	require.ErrorIs(t, pair.(driver.Pinger).Ping(ctx), driver.ErrClosed)
}
