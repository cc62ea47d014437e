package session_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func TestInspect(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	secret := secret(7)
	plain := factory(t, session.Config{}, p)
	sealing := factory(t, session.Config{Secrets: []session.Secret{secret}}, unclosed{p})

	for _, f := range []*session.Factory{plain, sealing} {
		s := created(t, f)
		require.NoError(t, s.Set("cart", []string{"apple"}))
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.SetLabel("Firefox"))
		require.NoError(t, s.Flush(ctx))
		p.take()
		d, values, err := f.Inspect(ctx, s.Key())
		require.NoError(t, err)
		require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
		require.Equal(t, s.Info(), d)
		require.Equal(t, s.Handle(), d.Handle)
		require.Equal(t, session.Timeouts{Idle: hour, Lifetime: day}, d.Timeouts)
		require.Equal(t, "ada", d.Subject)
		require.Equal(t, "Firefox", d.Label)
		require.Equal(t, len(`{"cart":["apple"]}`), d.Size, "the size is the same whether or not the session is sealed")
		require.Equal(t, map[string][]byte{"cart": []byte(`["apple"]`)}, values)

		outside, values, err := plain.Inspect(ctx, s.Key())
		require.NoError(t, err, "without the secret, all but the values is known")
		require.Equal(t, d, outside)
		require.Equal(t, f == sealing, values == nil)
	}

	garbage := session.Key(strings.Repeat("g", 43))
	_, _, err := plain.Inspect(ctx, "unknown")
	require.ErrorIs(t, err, session.ErrNotFound)
	require.NoError(t, p.Create(ctx, &driver.Record{Key: string(garbage), Meta: []byte("?"), Created: created(t, plain).Info().Created, Expires: created(t, plain).Info().Expires}))
	_, _, err = plain.Inspect(ctx, garbage)
	require.ErrorIs(t, err, session.ErrCorrupt)
}

// Info describes the session as the store has it, with the changes of this request.
func TestInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := factory(t, session.Config{SweepInterval: -1, Anonymous: session.Timeouts{Idle: time.Minute}}, newProbe())
		began := time.Now().UTC().Truncate(time.Millisecond)
		s := created(t, f)
		require.NoError(t, s.Destroy(ctx))
		require.Zero(t, s.Info(), "the session has ended")

		s = f.NewSession()
		anonymous := session.Info{Created: began, LastSeen: began, Expires: began.Add(time.Minute), Timeouts: session.Timeouts{Idle: time.Minute, Lifetime: day}, Size: len("{}")}
		require.Equal(t, anonymous, s.Info(), "the session is new")
		require.NoError(t, s.Set("n", 1))
		require.NoError(t, s.SetLabel("Firefox"))
		own := session.Timeouts{Idle: 2 * hour, Lifetime: 2 * day, Persistent: true}
		require.NoError(t, s.SetTimeouts(own))
		require.NoError(t, s.SignIn(ctx, "ada"))
		require.NoError(t, s.Flush(ctx))
		want := session.Info{
			Handle: s.Handle(), Subject: "ada", Label: "Firefox", Created: began, SignedInAt: began, LastSeen: began,
			Expires: began.Add(2 * hour), Timeouts: own, Size: len(`{"n":1}`),
		}
		require.Equal(t, want, s.Info())

		time.Sleep(time.Hour)
		again := same(t, f, s)
		require.Equal(t, want, again.Info(), "the use by this request is not stored yet")
		require.NoError(t, again.Set("n", 10))
		require.NoError(t, again.SetLabel("Chrome"))
		want.Label, want.Size = "Chrome", len(`{"n":10}`)
		require.Equal(t, want, again.Info(), "the changes are not stored yet")
		require.NoError(t, again.Flush(ctx))
		want.LastSeen, want.Expires = began.Add(hour), began.Add(3*hour)
		require.Equal(t, want, again.Info())
		stored, _, err := f.Inspect(ctx, again.Key())
		require.NoError(t, err)
		require.Equal(t, want, stored)
		for info, err := range f.SubjectSessions(ctx, "ada") {
			require.NoError(t, err)
			require.Equal(t, want, info)
		}
	})
}

// A session that could not be stored has no handle.
func TestHandleOfUnstored(t *testing.T) {
	s := factory(t, session.Config{MaxSize: 10}, newProbe()).NewSession()
	require.NoError(t, s.Set("n", text(20)))
	require.ErrorIs(t, s.Flush(t.Context()), session.ErrTooLarge)
	require.Empty(t, s.Handle())
	require.Empty(t, s.Info().Handle)
	require.NoError(t, s.Set("n", 1))
	require.NoError(t, s.Flush(t.Context()))
	require.Len(t, s.Handle(), 22)
	require.Equal(t, s.Handle(), s.Info().Handle)
}
