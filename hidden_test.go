package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/canary"
)

// IDs, secrets and values of a session are not shown, however they are printed, logged or encoded.
func TestNothingShowsSecrets(t *testing.T) {
	const value, name = "canary-value", "canary-name"
	random := strings.Repeat("canary-k", 4)
	sealing, err := session.NewSecret([]byte(random))
	require.NoError(t, err)
	onServer := func(t *testing.T, c session.Config) *session.Factory {
		c.Secrets = []session.Secret{sealing}
		return factory(t, c, memory.New(memory.Options{}))
	}
	inCookie := func(t *testing.T, c session.Config) *session.Factory {
		store, err := cookie.New(cookie.Options{Secrets: []session.Secret{sealing}, Unrevocable: true})
		require.NoError(t, err)
		return factory(t, c, store)
	}
	for store, open := range map[string]func(*testing.T, session.Config) *session.Factory{"on a server": onServer, "in cookies": inCookie} {
		t.Run(store, func(t *testing.T) {
			canary.RequireHidden(t, "Config", session.Config{Secrets: []session.Secret{sealing}, IDs: &ownIDs{[]session.ID{session.NewID(value)}}}, random, value)
			canary.RequireHidden(t, "Secret", sealing, random)
			f := open(t, quiet(session.Config{SweepInterval: -1}))
			s := stored(t, f, map[string]any{name: value})
			require.NoError(t, s.SignIn(t.Context(), "ada"))
			require.NoError(t, session.Update(s, "pending", func(string) string { return value }))
			require.NoError(t, s.Set("more", value))
			secrets := []string{s.ID().Reveal(), random, value, name}
			canary.RequireHidden(t, "ID", s.ID(), secrets...)
			canary.RequireHidden(t, "Session", s, secrets...)
			canary.RequireHidden(t, "field", reflect.ValueOf(struct{ s *session.Session }{s}).Field(0), secrets...)
			canary.RequireHidden(t, "Factory", f, secrets...)
			canary.RequireHidden(t, "Handler", f.Handler(http.NotFoundHandler()), secrets...)
			ctx := session.NewContext(t.Context(), s)
			canary.RequireHidden(t, "context", ctx, secrets...)
			canary.RequireHidden(t, "context below", context.WithValue(ctx, new(int), 1), secrets...)
			canary.RequireHidden(t, "request", httptest.NewRequest("GET", "/", nil).WithContext(ctx), secrets...)

			h := f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.FromContext(r.Context())
				require.NoError(t, err)
				require.NoError(t, s.Set("more", value))
				require.NoError(t, s.ChangeID(r.Context()))
				r.Header.Del("Cookie")
				secrets := append(secrets, s.ID().Reveal())
				show := func() {
					canary.RequireHidden(t, "context of a request", r.Context(), secrets...)
					canary.RequireHidden(t, "request", r, secrets...)
					canary.RequireHidden(t, "response", w, secrets...)
					canary.RequireHidden(t, "controller", http.NewResponseController(w), secrets...)
				}
				show()
				w.WriteHeader(http.StatusOK)
				show()
			}))
			served(h, httptest.NewRequest("GET", "/", nil), s.ID())
		})
	}
}

// The ResponseWriter of OnError, printed, shows nothing of the cookie.
func TestErrorPageShowsNoID(t *testing.T) {
	shown := false
	p := newProbe()
	f := factory(t, quiet(session.Config{OnError: func(w http.ResponseWriter, r *http.Request, _ error) {
		r.Header.Del("Cookie")
		for _, line := range w.Header()["Set-Cookie"] {
			_, id, _ := strings.Cut(line, "=")
			id, _, _ = strings.Cut(id, ";")
			w.Header().Del("Set-Cookie")
			shown = true
			canary.RequireHidden(t, "page", w, id)
			canary.RequireHidden(t, "request", r, id)
		}
	}}), p)
	s := created(t, f)
	served(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		require.NoError(t, err)
		require.NoError(t, s.ChangeID(r.Context()))
		require.NoError(t, s.Set("n", 1))
		p.fail(errors.New("lost"), "Flush")
	})), httptest.NewRequest("GET", "/", nil), s.ID())
	require.True(t, shown)
}

// The zero ID finds no session, and the zero Secret is refused.
func TestZeroIDAndSecret(t *testing.T) {
	var id session.ID
	var none session.Secret
	require.Empty(t, id.Reveal())
	require.Equal(t, id, session.NewID(""))
	require.Len(t, id.Key(), 43)
	require.Nil(t, none.Reveal())
	require.Equal(t, "session.ID(hidden) session.Secret(hidden) session.Session{}", fmt.Sprint(id, none, &session.Session{}))

	onServer := newProbe()
	_, err := factory(t, session.Config{}, onServer).Retrieve(t.Context(), id)
	require.ErrorIs(t, err, session.ErrNotFound)
	require.Empty(t, onServer.take())
	inCookies, err := cookie.New(cookie.Options{Secrets: []session.Secret{secret(1)}, Unrevocable: true})
	require.NoError(t, err)
	_, err = factory(t, session.Config{}, inCookies).Retrieve(t.Context(), id)
	require.ErrorIs(t, err, session.ErrNotFound)

	_, err = session.NewSecret(make([]byte, 31))
	require.ErrorContains(t, err, "32 random")
	_, err = cookie.New(cookie.Options{Secrets: []session.Secret{none}, Unrevocable: true})
	require.ErrorContains(t, err, "secret 1 has 0 bytes")
}
