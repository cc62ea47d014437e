package session_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func TestInspect(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	secret := session.Secret("0123456789abcdef0123456789abcdef")
	plain := factory(t, session.Config{}, p)
	sealing := factory(t, session.Config{Keys: []session.Secret{secret}}, unclosed{p})

	for _, f := range []*session.Factory{plain, sealing} {
		s := created(t, f)
		require.NoError(t, s.Set("cart", []string{"apple"}))
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.SetLabel("Firefox"))
		require.NoError(t, s.Flush(ctx))
		p.take()
		d, err := f.Inspect(ctx, s.Key())
		require.NoError(t, err)
		require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
		require.Equal(t, s.Key(), d.Key)
		require.Equal(t, s.Created(), d.Created)
		require.Equal(t, s.Expires(), d.Expires)
		require.Equal(t, s.Authenticated(), d.Authenticated)
		require.Zero(t, d.Timeouts)
		require.Equal(t, "ada", d.Subject)
		require.Equal(t, "Firefox", d.Label)
		require.Equal(t, "json", d.Codec)
		require.Equal(t, f == sealing, d.Sealed)
		require.Equal(t, map[string][]byte{"cart": []byte(`["apple"]`)}, d.Values)

		d, err = plain.Inspect(ctx, s.Key())
		require.NoError(t, err, "without the secret there is something to know too")
		require.Equal(t, "ada", d.Subject)
		require.Equal(t, f == sealing, d.Values == nil)
	}

	garbage := session.Key(strings.Repeat("g", 43))
	_, err := plain.Inspect(ctx, "unknown")
	require.ErrorIs(t, err, session.ErrNotFound)
	require.NoError(t, p.Create(ctx, &driver.Record{Key: string(garbage), Meta: []byte("?"), Created: created(t, plain).Created(), Expires: created(t, plain).Expires()}))
	_, err = plain.Inspect(ctx, garbage)
	require.ErrorIs(t, err, session.ErrCorrupt)
}
