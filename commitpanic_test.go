package session_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/sessiontest"
)

// Code that is called during the commit, or that answers when the commit has failed, may panic. The
// response of a handler that recovers has the header fields that handlers outside have set, and
// the cookie if a new ID is stored.
func TestPanicsOfTheCommit(t *testing.T) {
	flushFails := func(_ context.Context, call string) error {
		if call == "Flush" {
			return sessiontest.ErrOutage
		}
		return nil
	}
	set := func(t *testing.T, s *session.Session) { require.NoError(t, s.Set("n", 1)) }
	for name, tt := range map[string]struct {
		onError func(http.ResponseWriter, *http.Request, error)
		onEvent func(context.Context, session.Event)
		store   func(ctx context.Context, call string) error
		then    func(t *testing.T, s *session.Session) // after a sign-in
	}{
		"the driver": {store: func(_ context.Context, call string) error {
			if call == "Flush" {
				panic("driver")
			}
			return nil
		}, then: set},
		"OnError":                            {store: flushFails, then: set, onError: func(http.ResponseWriter, *http.Request, error) { panic("OnError") }},
		"OnError, having dropped the cookie": {store: flushFails, then: set, onError: func(w http.ResponseWriter, _ *http.Request, _ error) { w.Header().Del("Set-Cookie"); panic("OnError") }},
		"OnEvent":                            {onEvent: func(context.Context, session.Event) { panic("OnEvent") }},
		"Update": {then: func(t *testing.T, s *session.Session) {
			first := true
			require.NoError(t, session.Update(s, "n", func(int) int {
				if !first {
					panic("merge")
				}
				first = false
				return 1
			}))
		}},
	} {
		for how, answer := range map[string]func(w http.ResponseWriter){
			"return": func(w http.ResponseWriter) {},
			"write":  func(w http.ResponseWriter) { fmt.Fprint(w, "page") },
			"flush":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		} {
			for _, where := range []string{"outside", "inside"} {
				if where == "inside" && (how == "return" || tt.onError != nil) {
					continue // what happens after the handler has returned, or has answered
				}
				t.Run(name+"/"+how+"/"+where, func(t *testing.T) {
					p := newProbe()
					f := factory(t, quiet(session.Config{OnError: tt.onError, OnEvent: tt.onEvent}), p)
					h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						s := current(t, r)
						require.NoError(t, s.SignIn(r.Context(), "ada"))
						if tt.then != nil {
							require.NoError(t, s.Flush(r.Context()))
							tt.then(t, s)
							other, err := f.Retrieve(t.Context(), s.ID())
							require.NoError(t, err)
							require.NoError(t, other.Set("other", 1))
							p.intercept(nil)
							require.NoError(t, other.Flush(t.Context()))
							p.intercept(tt.store)
						}
						p.take()
						answer(w)
					}))
					if where == "inside" {
						h = recovering(h)
					}
					h = f.Handler(h)
					if where == "outside" {
						h = recovering(h)
					}
					w := served(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("X-Outside", "1")
						h.ServeHTTP(w, r)
					}), get(), session.ID{})
					if tt.onError == nil {
						require.LessOrEqual(t, p.take()["Flush"], 1, "nothing more is stored")
					}
					require.Equal(t, 500, w.Code)
					require.Equal(t, "sorry\n", w.Body.String())
					require.Equal(t, "1", w.Result().Header.Get("X-Outside"))
					require.Len(t, sentCookies(w.Result().Header), 1)
					p.intercept(nil)
					s, err := f.Retrieve(t.Context(), session.NewID(sentCookies(w.Result().Header)[0].Value))
					require.NoError(t, err)
					require.Equal(t, "ada", s.Subject())
				})
			}
		}
	}
}

// An invalid status, on which net/http panics, has not been sent: a handler inside that recovers can
// send another one.
func TestInvalidStatus(t *testing.T) {
	a := factory(t, session.Config{}, newProbe())
	b := factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}}, newProbe())
	for _, status := range []int{-1, 0, 99, 1000} {
		w := served(a.Handler(b.Handler(recovering(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, current(t, r).Set("n", 1))
			w.WriteHeader(status)
		})))), get(), session.ID{})
		require.Equal(t, 500, w.Code)
		require.Len(t, w.Result().Cookies(), 1)
	}
}

// The commit of an outer factory may panic in a write to the response of an inner one.
func TestPanicOfTheOuterCommit(t *testing.T) {
	outer := factory(t, session.Config{OnEvent: func(context.Context, session.Event) { panic("OnEvent") }}, newProbe())
	inner := factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}}, newProbe())
	for _, answer := range []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
		func(w http.ResponseWriter) { fmt.Fprint(w, "page") },
		func(w http.ResponseWriter) { _, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("page")) },
		func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
	} {
		w := served(outer.Handler(inner.Handler(recovering(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, f := range []*session.Factory{outer, inner} {
				s, err := f.FromContext(r.Context())
				require.NoError(t, err)
				require.NoError(t, s.Set("n", 1))
			}
			answer(w)
		})))), get(), session.ID{})
		require.Equal(t, 500, w.Code)
		require.Equal(t, "sorry\n", w.Body.String())
		require.Len(t, w.Result().Cookies(), 2)
	}
}
