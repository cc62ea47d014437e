package session_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
)

// ender is a store that can end the sessions of a subject, and can't list them.
type ender struct {
	bare
	driver.SubjectDestroyer
}

// lister is a store that can list the sessions of a subject, and has no method to end them.
type lister struct {
	bare
	driver.SubjectLister
}

func TestFeatures(t *testing.T) {
	all := session.Features{ServerSide: true, SubjectSessions: true, DestroySubject: true}
	inCookies, err := cookie.Driver{}.Open("unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	in := memory.New(memory.Options{})
	const (
		keep = "session: the store can't keep sessions on a server (Config.Require.ServerSide); drivers memory, sqlite, postgres, mysql, sqlstore, redis, memcache and mongo can, and migrate if both of its stores can"
		list = "session: the store can't list the sessions of a subject (Config.Require.SubjectSessions); drivers memory, sqlite, postgres, mysql, sqlstore, redis and mongo can, and migrate if both of its stores can"
		end  = "session: the store can't end all sessions of a subject (Config.Require.DestroySubject); drivers memory, sqlite, postgres, mysql, sqlstore, redis, memcache and mongo can, and migrate if both of its stores can"
	)
	for name, tt := range map[string]struct {
		store driver.Store
		want  session.Features
		lacks string // the error if all are required
	}{
		"memory":     {in, all, ""},
		"lister":     {lister{bare{in}, in.(driver.SubjectLister)}, all, ""}, // ends them one by one
		"ender":      {ender{bare{in}, in.(driver.SubjectDestroyer)}, session.Features{ServerSide: true, DestroySubject: true}, list},
		"bare":       {bare{in}, session.Features{ServerSide: true}, list + "\n" + end},
		"around":     {around{bare{in}}, session.Features{ServerSide: true}, list + "\n" + end},
		"in cookies": {inCookies, session.Features{}, keep + "\n" + list + "\n" + end},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := session.Config{SweepInterval: -1}.New(tt.store)
			require.NoError(t, err)
			require.Equal(t, tt.want, f.Features())
			_, err = session.Config{SweepInterval: -1, Require: tt.want}.New(tt.store)
			require.NoError(t, err)
			_, err = session.Config{SweepInterval: -1, Require: all}.New(tt.store)
			if tt.lacks == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.lacks)
		})
	}
}

// New refuses a store that hides the ForCookie method of the one that it wraps.
func TestNewAroundClientSide(t *testing.T) {
	inCookies, err := cookie.Driver{}.Open("unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	for _, store := range []driver.Store{around{inCookies}, migrate.New(memory.New(memory.Options{}), inCookies)} {
		_, err = session.Config{SweepInterval: -1}.New(store)
		require.ErrorContains(t, err, "the store wraps one that keeps sessions in cookies")
	}
}

// If the store lacks a required feature, the error of Open names the driver, and Open closes the store.
func TestOpenWithoutFeature(t *testing.T) {
	closed := 0
	session.Register("featureless", opener{func() driver.Store { return closing{bare{memory.New(memory.Options{})}, &closed} }})
	_, err := session.Config{Require: session.Features{DestroySubject: true}}.Open("featureless", "")
	require.ErrorContains(t, err, `session: driver "featureless" can't end all sessions of a subject (Config.Require.DestroySubject); drivers memory, `)
	require.Equal(t, 1, closed)
}

type opener struct{ open func() driver.Store }

func (o opener) Open(string) (driver.Store, error) { return o.open(), nil }

type closing struct {
	bare
	closed *int
}

func (s closing) Close() error {
	*s.closed++
	return s.bare.Close()
}
