package session_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/sessiontest"
)

// Two nested factories whose cookies have the same name would sign each other's users out, so the
// inner handler answers with an error.
func TestNestedFactoriesOfOneName(t *testing.T) {
	for name, tt := range map[string]struct {
		outer, inner session.Cookie
		clash        bool
	}{
		"the default":        {session.Cookie{}, session.Cookie{}, true},
		"other paths":        {session.Cookie{Name: "a"}, session.Cookie{Name: "a", Path: "/app"}, true},
		"other domains":      {session.Cookie{Name: "a", Domain: "example.com"}, session.Cookie{Name: "a"}, true},
		"the default, named": {session.Cookie{}, session.Cookie{Name: "__Host-session"}, true},
		"partitioned":        {session.Cookie{}, session.Cookie{Partitioned: true}, true},
		"other names":        {session.Cookie{}, session.Cookie{Name: "__Host-admin"}, false},
		"other case":         {session.Cookie{Name: "a"}, session.Cookie{Name: "A"}, false},
	} {
		for _, between := range []string{"nothing", "another factory", "NewContext", "TimeoutHandler", "a context"} {
			t.Run(name+"/"+between, func(t *testing.T) {
				var log bytes.Buffer
				outer := factory(t, session.Config{Cookie: tt.outer}, newProbe())
				inner := factory(t, session.Config{Cookie: tt.inner, Logger: slog.New(slog.NewTextHandler(&log, nil))}, newProbe())
				third := factory(t, session.Config{Cookie: session.Cookie{Name: "third"}}, newProbe())
				reached := false
				h := inner.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					reached = true
					s, err := inner.FromContext(r.Context())
					require.NoError(t, err)
					require.NoError(t, s.Set("n", 1))
				}))
				h = map[string]func(http.Handler) http.Handler{
					"nothing":         func(h http.Handler) http.Handler { return h },
					"another factory": third.Handler,
					"TimeoutHandler":  func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "") },
					"NewContext": func(h http.Handler) http.Handler {
						return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							h.ServeHTTP(w, r.WithContext(session.NewContext(r.Context(), created(t, third))))
						})
					},
					"a context": func(h http.Handler) http.Handler {
						return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r.Clone(r.Context())) })
					},
				}[between](h)
				w := served(outer.Handler(h), get(), session.ID{})
				require.Equal(t, !tt.clash, reached)
				if !tt.clash {
					require.Equal(t, 200, w.Code)
					require.Len(t, w.Result().Cookies(), 1)
					return
				}
				require.Equal(t, 500, w.Code)
				require.Empty(t, w.Result().Cookies())
				require.Equal(t, 1, strings.Count(log.String(), "give one another Config.Cookie.Name"), log.String())
			})
		}
	}
	// OnError may answer with another page, or write nothing.
	outer := factory(t, session.Config{}, newProbe())
	inner := factory(t, session.Config{OnError: func(_ http.ResponseWriter, _ *http.Request, err error) {
		require.ErrorContains(t, err, `"__Host-session"`)
	}}, newProbe())
	require.Equal(t, 500, served(outer.Handler(inner.Handler(http.NotFoundHandler())), get(), session.ID{}).Code)
}

// Handlers of one factory may be nested, also with another factory between.
func TestNestedHandlersOfOneFactory(t *testing.T) {
	a, b := factory(t, session.Config{}, newProbe()), factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}}, newProbe())
	for _, h := range []http.Handler{a.Handler(a.Handler(counter(t))), a.Handler(b.Handler(a.Handler(b.Handler(counter(t)))))} {
		w := served(h, get(), session.ID{})
		require.Equal(t, 200, w.Code)
		require.Equal(t, "1", w.Body.String())
		require.Len(t, w.Result().Cookies(), 1)
	}
}

// If the commit of an outer factory fails, its error page has the cookies of the factories inside,
// because their sessions are stored.
func TestErrorPageKeepsCookiesInside(t *testing.T) {
	for name, onError := range map[string]func(http.ResponseWriter, *http.Request, error){
		"default": nil,
		"clears": func(w http.ResponseWriter, r *http.Request, err error) {
			clear(w.Header())
			http.Error(w, "own", http.StatusServiceUnavailable)
		},
		"silent": func(w http.ResponseWriter, r *http.Request, err error) { w.Header().Del("Set-Cookie") },
	} {
		for how, answer := range map[string]func(w http.ResponseWriter){
			"return": func(w http.ResponseWriter) {},
			"write":  func(w http.ResponseWriter) { fmt.Fprint(w, "page") },
			"flush":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
			"panic":  func(w http.ResponseWriter) { panic("oops") },
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				outer, store := tracked(t, session.Config{OnError: onError})
				middle := factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}}, newProbe())
				inner := factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-c"}}, newProbe())
				id := created(t, outer).ID()
				w := served(outer.Handler(recovering(middle.Handler(inner.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					for _, f := range []*session.Factory{outer, middle, inner} {
						s, err := f.FromContext(r.Context())
						require.NoError(t, err)
						require.NoError(t, s.SignIn(r.Context(), "ada"))
						require.NoError(t, s.Flush(r.Context()))
						require.NoError(t, s.Set("n", 1))
					}
					http.SetCookie(w, &http.Cookie{Name: "cart", Value: "1"})
					store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage, Times: 9})
					answer(w)
				}))))), get(), id)
				require.Equal(t, 503, w.Code)
				got := map[string]bool{}
				for _, c := range w.Result().Cookies() {
					require.False(t, got[c.Name], "%s is sent once", c.Name)
					got[c.Name] = true
				}
				require.Equal(t, map[string]bool{"__Host-session": true, "__Host-b": true, "__Host-c": true}, got)
			})
		}
	}
}

// If the commit of an inner factory fails, its error page has the cookie of the outer one.
func TestErrorPageInsideKeepsCookiesOutside(t *testing.T) {
	outer := factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}}, newProbe())
	inner, store := tracked(t, session.Config{})
	w := served(outer.Handler(inner.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := outer.FromContext(r.Context())
		require.NoError(t, err)
		require.NoError(t, s.Set("n", 1))
		commitFails(t, store, func(http.ResponseWriter, *http.Request) {}).ServeHTTP(w, r)
	}))), get(), session.ID{})
	require.Equal(t, 503, w.Code)
	require.Len(t, w.Result().Cookies(), 1)
	require.Equal(t, "__Host-b", w.Result().Cookies()[0].Name)
}
