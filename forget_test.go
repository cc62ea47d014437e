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

// Forget ends what the cookies of a request name, whether it can be opened or not.

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
		store.Calls()
		w, err := forget(ours, malformed...)
		require.NoError(t, err)
		requireCleared(t, w)
		require.Empty(t, store.Calls(), "what is malformed does not reach the store")
	}
	for name, values := range map[string]func() ([]string, []*session.Session){
		"unknown": func() ([]string, []*session.Session) { return []string{unknown}, nil },
		"sealed": func() ([]string, []*session.Session) {
			s := signedIn(t, theirs, "ada")
			return []string{string(s.ID())}, []*session.Session{s}
		},
		"one that opens": func() ([]string, []*session.Session) {
			s := signedIn(t, theirs, "ada")
			return []string{string(s.ID())}, []*session.Session{s}
		},
		"one whose ID was changed": func() ([]string, []*session.Session) {
			s, old := renamed(t, theirs)
			return []string{string(old)}, []*session.Session{s}
		},
		"all of them": func() ([]string, []*session.Session) {
			a, b := signedIn(t, theirs, "ada"), signedIn(t, ours, "ada")
			c, old := renamed(t, theirs)
			return []string{unknown, string(a.ID()), "malformed", string(b.ID()), string(old)}, []*session.Session{a, b, c}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cookies, sessions := values()
			store.Calls()
			w, err := forget(ours, cookies...)
			require.NoError(t, err)
			requireCleared(t, w)
			require.Zero(t, store.Calls()["Retrieve"], "nothing is opened")
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
		_, err := forget(ours, unknown, unknown, unknown, unknown, string(s.ID()))
		require.NoError(t, err)
		same(t, theirs, s)
	})
}

// A store that fails: an error, the cookie stays, and Forget can be tried again.
func TestForgetFails(t *testing.T) {
	for _, call := range []string{"Destroy", "Renamed"} {
		ours, theirs, store := underTwoSecrets(t)
		a := signedIn(t, theirs, "ada")
		b, old := renamed(t, theirs)
		store.Inject(sessiontest.Fault{Calls: []string{call}, Err: sessiontest.ErrOutage, Times: 1})
		w, err := forget(ours, string(a.ID()), string(old))
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.Empty(t, w.Header())
		w, err = forget(ours, string(a.ID()), string(old))
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
	done := s.Done(t.Context())
	events = nil
	_, err := forget(f, string(old))
	require.NoError(t, err)
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: s.Key(), Reason: session.ReasonSignedOut}}, events)
	<-done
}

// The page of OnError is a way out for a user whose session can't be read.
func TestForgetFromOnError(t *testing.T) {
	var ours *session.Factory
	_, theirs, store := underTwoSecrets(t)
	ours = factory(t, quiet(session.Config{SweepInterval: -1, Keys: []session.Secret{secret(1)}, OnError: func(w http.ResponseWriter, r *http.Request, err error) {
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

// Sessions that are kept in cookies and can't be opened are only forgotten.
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
			id := string(s.ID())
			tampered := id[:len(id)-4] + strings.Map(func(r rune) rune {
				if r == 'A' {
					return 'B'
				}
				return 'A'
			}, id[len(id)-4:])
			for name, value := range map[string]string{
				"opens": id, "sealed": string(created(t, theirs).ID()), "tampered": tampered,
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
				require.Equal(t, 1, revoked, "what a client has made up does not fill the store")
			}
		})
	}
}
