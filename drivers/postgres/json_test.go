package postgres_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// An operator queries the values of sessions. Those of sealed sessions are a string that works, and
// that shows nothing.
func TestQueryValues(t *testing.T) {
	p := newPlace(t, "data=jsonb")
	secret, err := session.NewSecret(bytes.Repeat([]byte{7, 9}, 16))
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		config session.Config
		want   string // the value, or the type of what is stored
	}{
		"plain":  {session.Config{}, "3|object"},
		"sealed": {session.Config{Secrets: []session.Secret{secret}}, "|string"},
	} {
		t.Run(name, func(t *testing.T) {
			table := newTable()
			f, err := tt.config.Open("postgres", p.dsn(table))
			require.NoError(t, err)
			defer f.Close()
			serve := func(cookies []*http.Cookie, do func(ctx context.Context, s *session.Session) error) []*http.Cookie {
				r := httptest.NewRequest("GET", "https://example.com/", nil)
				for _, c := range cookies {
					r.AddCookie(c)
				}
				w := httptest.NewRecorder()
				f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					s, err := session.FromContext(r.Context())
					require.NoError(t, err)
					require.NoError(t, do(r.Context(), s))
				})).ServeHTTP(w, r)
				require.Equal(t, 200, w.Code)
				return w.Result().Cookies()
			}
			cookies := serve(nil, func(ctx context.Context, s *session.Session) error {
				return s.Set("items", "3")
			})
			serve(cookies, func(ctx context.Context, s *session.Session) error {
				items, err := session.Get[string](s, "items")
				require.Equal(t, "3", items)
				return err
			})
			require.Equal(t, tt.want, p.Exec(t, p.database, "SELECT data->>'items', jsonb_typeof(data) FROM "+table))
		})
	}
}
