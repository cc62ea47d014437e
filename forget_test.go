package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/sessiontest"
)

// Forget ends the sessions that the cookies of a request name, whether they can be opened or not.

func forget(f *session.Factory, values ...string) (*httptest.ResponseRecorder, error) {
	r, w := get(), httptest.NewRecorder()
	for _, value := range values {
		r.Header.Add("Cookie", "__Host-session="+value)
	}
	err := f.Forget(w, r)
	return w, err
}

func requireCleared(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	cookies := sentCookies(w.Header())
	require.Len(t, cookies, 1)
	require.Empty(t, cookies[0].Value)
	require.Equal(t, -1, cookies[0].MaxAge)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
}

func TestForget(t *testing.T) {
	ours, theirs, store := underTwoSecrets(t)
	unknown := strings.Repeat("u", 32)
	for _, malformed := range [][]string{nil, {"malformed"}, {"", "\r\n", strings.Repeat("x", 10_000)}} {
		store.TakeCalls()
		w, err := forget(ours, malformed...)
		require.NoError(t, err)
		requireCleared(t, w)
		require.Empty(t, store.TakeCalls(), "a malformed ID does not reach the store")
	}
	for name, values := range map[string]func() ([]string, []*session.Session){
		"unknown": func() ([]string, []*session.Session) { return []string{unknown}, nil },
		"sealed": func() ([]string, []*session.Session) {
			s := signedIn(t, theirs, "ada")
			return []string{s.ID().Reveal()}, []*session.Session{s}
		},
		"one that opens": func() ([]string, []*session.Session) {
			s := signedIn(t, theirs, "ada")
			return []string{s.ID().Reveal()}, []*session.Session{s}
		},
		"one whose ID was changed": func() ([]string, []*session.Session) {
			s, old := renamed(t, theirs)
			return []string{old.Reveal()}, []*session.Session{s}
		},
		"all of them": func() ([]string, []*session.Session) {
			a, b := signedIn(t, theirs, "ada"), signedIn(t, ours, "ada")
			c, old := renamed(t, theirs)
			return []string{unknown, a.ID().Reveal(), "malformed", b.ID().Reveal(), old.Reveal()}, []*session.Session{a, b, c}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cookies, sessions := values()
			store.TakeCalls()
			w, err := forget(ours, cookies...)
			require.NoError(t, err)
			requireCleared(t, w)
			require.Zero(t, store.TakeCalls()["Retrieve"], "nothing is opened")
			for _, s := range sessions {
				requireGone(t, theirs, s)
			}
			w, err = forget(ours, cookies...)
			require.NoError(t, err, "twice")
			requireCleared(t, w)
		})
	}
	t.Run("at most four", func(t *testing.T) {
		s := signedIn(t, theirs, "ada")
		_, err := forget(ours, unknown, unknown, unknown, unknown, s.ID().Reveal())
		require.NoError(t, err)
		same(t, theirs, s)
	})
}

// If the store fails, Forget returns an error, the client keeps its cookie, and Forget can be called
// again.
func TestForgetFails(t *testing.T) {
	for _, call := range []string{"Destroy", "Renamed"} {
		ours, theirs, store := underTwoSecrets(t)
		a := signedIn(t, theirs, "ada")
		b, old := renamed(t, theirs)
		store.Inject(sessiontest.Fault{Calls: []string{call}, Err: sessiontest.ErrOutage, Times: 1})
		w, err := forget(ours, a.ID().Reveal(), old.Reveal())
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.Empty(t, w.Header())
		w, err = forget(ours, a.ID().Reveal(), old.Reveal())
		require.NoError(t, err)
		requireCleared(t, w)
		requireGone(t, theirs, a)
		requireGone(t, theirs, b)
	}
}

func TestForgetTellsOfTheEnd(t *testing.T) {
	var events []session.Event
	f, _ := tracked(t, session.Config{OnEvent: func(_ context.Context, e session.Event) { events = append(events, e) }})
	s, old := renamed(t, f)
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(t.Context()))
	handle, ended := s.Handle(), done(t, t.Context(), s)
	events = nil
	_, err := forget(f, old.Reveal())
	require.NoError(t, err)
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Handle: handle, Key: s.Key(), Subject: "ada", Reason: session.ReasonSignedOut}}, events)
	<-ended
}

// OnError can call Forget for a user whose session can't be read.
func TestForgetFromOnError(t *testing.T) {
	var ours *session.Factory
	_, theirs, store := underTwoSecrets(t)
	ours = factory(t, quiet(session.Config{SweepInterval: -1, Secrets: []session.Secret{secret(1)}, OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		require.ErrorIs(t, err, session.ErrSealed)
		require.NoError(t, ours.Forget(w, r))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}}), sharedStore{store})
	s := signedIn(t, theirs, "ada")
	w := served(ours.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := session.FromContext(r.Context())
		require.ErrorIs(t, err, session.ErrSealed)
	})), get(), s.ID())
	require.Equal(t, http.StatusSeeOther, w.Code)
	requireCleared(t, w)
	requireGone(t, theirs, s)
}

// A session that is kept in its cookie and can't be opened is only cleared from the client.
func TestForgetWhatIsInTheCookie(t *testing.T) {
	for _, revocable := range []bool{true, false} {
		t.Run(fmt.Sprint("revocable ", revocable), func(t *testing.T) {
			o := cookie.Options{Unrevocable: !revocable}
			if revocable {
				o.Revocations = lasting(t)
			}
			with := func(fill byte) *session.Factory {
				o := o
				o.Secrets = []session.Secret{secret(fill)}
				return clientSide(t, o)
			}
			ours, theirs := with(1), with(2)
			s := created(t, ours)
			id := s.ID().Reveal()
			tampered := id[:len(id)-4] + strings.Map(func(r rune) rune {
				if r == 'A' {
					return 'B'
				}
				return 'A'
			}, id[len(id)-4:])
			for name, value := range map[string]string{
				"opens": id, "sealed": created(t, theirs).ID().Reveal(), "tampered": tampered,
				"garbage": strings.Repeat("x", 100), "a key": string(s.Key()), "short": "x",
			} {
				w, err := forget(ours, value)
				require.NoError(t, err, name)
				requireCleared(t, w)
			}
			_, err := ours.Retrieve(t.Context(), s.ID())
			require.Equal(t, revocable, errors.Is(err, session.ErrNotFound))
			if revocable {
				revoked := 0
				for _, err := range o.Revocations.Sessions(t.Context()) {
					require.NoError(t, err)
					revoked++
				}
				require.Equal(t, 1, revoked, "made-up tokens do not fill the store")
			}
		})
	}
}

// In OnError, Forget ends the session under its present ID, and the response clears the ID: whatever
// the request has stored before it failed, whatever the handler has done to the header of the
// request, and whether the ID travels in a cookie or in the field.
func TestForgetAfterTheIDHasChanged(t *testing.T) {
	change := func(r *http.Request, s *session.Session) error { return s.ChangeID(r.Context()) }
	signIn := func(r *http.Request, s *session.Session) error {
		return errors.Join(s.SignIn(r.Context(), "ada"), s.Flush(r.Context()))
	}
	nothing := func(*http.Request, *session.Session) error { return nil }
	for name, tt := range map[string]struct {
		known bool // the client has a session
		do    func(*http.Request, *session.Session) error
	}{
		"no change": {true, nothing}, "ChangeID": {true, change}, "SignIn": {true, signIn}, "SignIn in a new session": {false, signIn},
	} {
		for _, byField := range []bool{false, true} {
			for _, byFunc := range []bool{false, true} {
				for _, removed := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, header %t, HandlerFunc %t, removed %t", name, byField, byFunc, removed), func(t *testing.T) {
						testForgetInOnError(t, tt.known, byField, byFunc, removed, tt.do)
					})
				}
			}
		}
	}
}

func testForgetInOnError(t *testing.T, known, byField, byFunc, removed bool, do func(*http.Request, *session.Session) error) {
	var f *session.Factory
	f, store := tracked(t, session.Config{Header: field, OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		require.NoError(t, f.Forget(w, r))
		http.Error(w, "sorry", http.StatusTeapot)
	}})
	var last session.ID
	handle := func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		require.NoError(t, do(r, s))
		last = s.ID()
		require.NoError(t, s.Set("n", 1))
		if removed {
			delete(r.Header, "Cookie")
			delete(r.Header, field)
		}
		if !byFunc {
			store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage, Times: 9})
		}
		return errOfApp
	}
	h := f.HandlerFunc(handle)
	if !byFunc {
		h = f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = handle(w, r, current(t, r))
		})).ServeHTTP
	}
	id := ""
	if known {
		id = created(t, f).ID().Reveal()
	}
	r, w := get(), httptest.NewRecorder()
	switch {
	case byField:
		r.Header[field] = []string{id}
	case known:
		r.Header.Set("Cookie", "__Host-session="+id)
	}
	h(w, r)
	require.Equal(t, http.StatusTeapot, w.Code)
	if byField {
		require.Equal(t, []string{""}, w.Result().Header[field])
		require.Empty(t, w.Result().Header["Set-Cookie"])
	} else {
		requireCleared(t, w)
		require.NotContains(t, w.Result().Header, field)
	}
	require.NotEmpty(t, last.Key())
	_, err := f.Retrieve(t.Context(), last)
	require.ErrorIs(t, err, session.ErrNotFound)
}

// If the handler answers although FromContext has failed, Forget in OnError clears the cookie, and
// the page of OnError is dropped.
func TestForgetWhileTheHandlerAnswers(t *testing.T) {
	var ours *session.Factory
	_, theirs, store := underTwoSecrets(t)
	ours = factory(t, quiet(session.Config{SweepInterval: -1, Secrets: []session.Secret{secret(1)}, OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		require.NoError(t, ours.Forget(w, r))
	}}), sharedStore{store})
	s := signedIn(t, theirs, "ada")
	w := served(ours.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := session.FromContext(r.Context())
		require.ErrorIs(t, err, session.ErrSealed)
		fmt.Fprint(w, "page")
	})), get(), s.ID())
	require.Equal(t, "page", w.Body.String())
	requireCleared(t, w)
	requireGone(t, theirs, s)
}

// After Forget, OnError may begin a new session, whose cookie the client keeps.
func TestForgetAndBeginAnew(t *testing.T) {
	var f *session.Factory
	f, _ = tracked(t, session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		require.NoError(t, f.Forget(w, r))
		require.NoError(t, current(t, r).Set("flash", "sorry"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}})
	old := created(t, f)
	w := served(f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		return errors.Join(s.ChangeID(r.Context()), errOfApp)
	}), get(), old.ID())
	cookies := sentCookies(w.Header())
	s, err := f.Retrieve(t.Context(), session.NewID(cookies[len(cookies)-1].Value))
	require.NoError(t, err)
	require.Equal(t, []string{"flash"}, s.Names())
	requireGone(t, f, old)
}

// If OnError destroys a session whose ID the client does not know yet, the response clears the
// cookie instead of setting it.
func TestDestroyInOnError(t *testing.T) {
	f, store := tracked(t, session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
		require.NoError(t, current(t, r).Destroy(r.Context()))
	}})
	w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := current(t, r)
		require.NoError(t, s.ChangeID(r.Context()))
		require.NoError(t, s.Set("n", 1))
		store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage, Times: 2})
	})), get(), created(t, f).ID())
	requireCleared(t, w)
}

// Sessions that are kept in cookies: in OnError, Forget clears the cookie also after a write.
func TestForgetInOnErrorWhatIsInTheCookie(t *testing.T) {
	for _, revocable := range []bool{true, false} {
		t.Run(fmt.Sprint("revocable ", revocable), func(t *testing.T) {
			o := cookie.Options{Secrets: []session.Secret{secret(1)}, Unrevocable: !revocable}
			if revocable {
				o.Revocations = lasting(t)
			}
			store, err := cookie.New(o)
			require.NoError(t, err)
			var f *session.Factory
			f = factory(t, session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
				require.NoError(t, f.Forget(w, r))
			}}, store)
			old := created(t, f)
			var last session.ID
			w := served(f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
				require.NoError(t, s.SignIn(r.Context(), "ada"))
				require.NoError(t, s.Flush(r.Context()))
				last = s.ID()
				return errOfApp
			}), get(), old.ID())
			requireCleared(t, w)
			for _, id := range []session.ID{old.ID(), last} {
				_, err = f.Retrieve(t.Context(), id)
				require.Equal(t, revocable, errors.Is(err, session.ErrNotFound))
			}
		})
	}
}

// If the commit of an outer factory fails after Forget of an inner one, the error page of the
// outer one clears the cookie of the inner one.
func TestForgetInNestedFactories(t *testing.T) {
	for _, byFunc := range []bool{false, true} {
		var inner *session.Factory
		inner, store := tracked(t, session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) {
			require.NoError(t, inner.Forget(w, r))
			http.Error(w, "inner", http.StatusTeapot)
		}})
		outer, outerStore := tracked(t, session.Config{Cookie: session.Cookie{Name: "__Host-outer"}})
		fail := func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
			out, err := outer.FromContext(r.Context())
			require.NoError(t, err)
			require.NoError(t, out.Set("n", 1))
			outerStore.Inject(sessiontest.Fault{Calls: []string{"Create"}, Err: sessiontest.ErrOutage, Times: 9})
			require.NoError(t, s.ChangeID(r.Context()))
			require.NoError(t, s.Set("n", 1))
			return errOfApp
		}
		h := inner.HandlerFunc(fail)
		if !byFunc {
			h = inner.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = fail(w, r, current(t, r))
				store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: sessiontest.ErrOutage, Times: 9})
			})).ServeHTTP
		}
		w := served(outer.Handler(h), get(), created(t, inner).ID())
		require.Equal(t, 503, w.Code)
		requireCleared(t, w)
	}
}
