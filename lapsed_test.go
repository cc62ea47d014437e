package session_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
)

// asked is a handler that writes the result of Lapsed.
func asked(f *session.Factory) http.Handler {
	return f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		_, err := fmt.Fprint(w, s.Lapsed())
		return err
	})
}

func TestLapsed(t *testing.T) {
	unknown := session.NewID("")
	require.NoError(t, session.DrawIDs(1, func(id session.ID) { unknown = id }))
	for name, tt := range map[string]struct {
		lines  func(t *testing.T, f *session.Factory, s *session.Session) []string // of the cookie
		lapsed bool
		clears bool
	}{
		"no cookie": {func(*testing.T, *session.Factory, *session.Session) []string { return nil }, false, false},
		"live":      {func(_ *testing.T, _ *session.Factory, s *session.Session) []string { return []string{s.ID().Reveal()} }, false, false},
		"expired": {func(t *testing.T, f *session.Factory, s *session.Session) []string {
			time.Sleep(2 * time.Hour)
			return []string{s.ID().Reveal()}
		}, true, true},
		"signed out": {func(t *testing.T, f *session.Factory, s *session.Session) []string {
			id := s.ID().Reveal()
			require.NoError(t, s.Destroy(t.Context()))
			return []string{id}
		}, true, true},
		"unknown":   {func(*testing.T, *session.Factory, *session.Session) []string { return []string{unknown.Reveal()} }, true, true},
		"malformed": {func(*testing.T, *session.Factory, *session.Session) []string { return []string{"x"} }, false, true},
		"overtaken": {func(t *testing.T, f *session.Factory, s *session.Session) []string {
			id := s.ID().Reveal()
			require.NoError(t, s.ChangeID(t.Context()))
			return []string{id}
		}, false, false},
		"renamed before": {func(t *testing.T, f *session.Factory, s *session.Session) []string {
			id := s.ID().Reveal()
			require.NoError(t, s.ChangeID(t.Context()))
			time.Sleep(time.Minute)
			return []string{id}
		}, true, false},
		"renamed long ago": {func(t *testing.T, f *session.Factory, s *session.Session) []string {
			id := s.ID().Reveal()
			require.NoError(t, s.ChangeID(t.Context()))
			time.Sleep(driver.MarkLifetime + time.Minute)
			return []string{id}
		}, true, true},
		"beside a live one": {func(_ *testing.T, _ *session.Factory, s *session.Session) []string {
			return []string{unknown.Reveal(), s.ID().Reveal()}
		}, false, false},
		"five unknown": {func(*testing.T, *session.Factory, *session.Session) []string {
			var many []string
			for range 5 {
				many = append(many, unknown.Reveal())
			}
			return many
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _ := tracked(t, session.Config{Timeouts: session.Timeouts{Idle: time.Hour}})
				values := tt.lines(t, f, created(t, f))
				request := func() *http.Request {
					r := get()
					for _, value := range values {
						r.Header.Add("Cookie", "__Host-session="+value)
					}
					return r
				}
				w := served(asked(f), request(), session.ID{})
				require.Equal(t, fmt.Sprint(tt.lapsed), w.Body.String())
				require.Equal(t, tt.clears, cookieOf(w) != nil)
				if tt.clears {
					require.Equal(t, -1, cookieOf(w).MaxAge)
				}
				// If the handler does not call Lapsed, the cookie of an unknown ID is not cleared.
				w = served(f.HandlerFunc(fails(nil)), request(), session.ID{})
				require.Equal(t, name == "malformed", cookieOf(w) != nil)
			})
		})
	}
}

// If a new session is stored in the same request, the response sets its cookie.
func TestLapsedThenStored(t *testing.T) {
	for name, change := range map[string]func(*session.Session, *http.Request) error{
		"Set":    func(s *session.Session, _ *http.Request) error { return s.Set("n", 1) },
		"SignIn": func(s *session.Session, r *http.Request) error { return s.SignIn(r.Context(), "ada") },
	} {
		f, _ := tracked(t, session.Config{})
		s := created(t, f)
		id := s.ID()
		require.NoError(t, s.Destroy(t.Context()))
		w := served(f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
			require.True(t, s.Lapsed())
			return change(s, r)
		}), get(), id)
		cookies := sentCookies(w.Header())
		require.Len(t, cookies, 1, name)
		require.NotEmpty(t, cookies[0].Value)
		require.Equal(t, "false", served(asked(f), get(), session.NewID(cookies[0].Value)).Body.String())
	}
}

// unmarked is a store that keeps no marks of ID changes.
type unmarked struct{ driver.Store }

// If another process may have changed the ID, the cookie is not cleared.
func TestLapsedWithoutMarks(t *testing.T) {
	f := factory(t, quiet(session.Config{SweepInterval: -1}), unmarked{memory.New(memory.Options{})})
	s := created(t, f)
	id := s.ID()
	require.NoError(t, s.Destroy(t.Context()))
	w := served(asked(f), get(), id)
	require.Equal(t, "true", w.Body.String())
	require.Nil(t, cookieOf(w))
}

// The cookie of a session that can't be decoded is not cleared, because another process may be able
// to decode it.
func TestLapsedBesideCorrupt(t *testing.T) {
	store := memory.New(memory.Options{})
	f := factory(t, quiet(session.Config{SweepInterval: -1}), store)
	gone, corrupt := created(t, f), created(t, f)
	rec, err := store.Retrieve(t.Context(), string(corrupt.Key()))
	require.NoError(t, err)
	rec.Data = []byte("?")
	require.NoError(t, store.Flush(t.Context(), rec))
	r := get()
	r.Header.Add("Cookie", "__Host-session="+corrupt.ID().Reveal())
	w := served(asked(f), r, session.ID{})
	require.Equal(t, "false", w.Body.String())
	require.Nil(t, cookieOf(w))

	id := gone.ID()
	require.NoError(t, gone.Destroy(t.Context()))
	w = served(asked(f), r, id)
	require.Equal(t, "true", w.Body.String())
	require.Nil(t, cookieOf(w))
}

// In a slow request the mark of a changed ID may be gone, so the cookie is not cleared.
func TestLapsedInSlowRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := tracked(t, session.Config{Timeouts: session.Timeouts{Idle: time.Hour}})
		s := created(t, f)
		id := s.ID()
		w := served(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, s.ChangeID(t.Context())) // by another request, whose response has the new cookie
			time.Sleep(driver.MarkLifetime + time.Second)
			fmt.Fprint(w, current(t, r).Lapsed())
		})), get(), id)
		require.Equal(t, "true", w.Body.String())
		require.Nil(t, cookieOf(w))
	})
}

// A session that is kept in its cookie may exist in a later cookie when an earlier one has expired.
func TestLapsedInCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := memory.New(memory.Options{})
		defer kept.Close()
		store, err := cookie.New(cookie.Options{Secrets: []session.Secret{secret(1)}, Revocations: unmarked{kept}})
		require.NoError(t, err)
		f, err := quiet(session.Config{SweepInterval: -1, Timeouts: session.Timeouts{Idle: time.Hour}}).New(store)
		require.NoError(t, err)
		defer f.Close()
		id := created(t, f).ID()
		time.Sleep(time.Hour - time.Second)
		w := served(asked(f), get(), id)
		require.Equal(t, "false", w.Body.String())
		require.NotNil(t, cookieOf(w), "with a later expiry")
		time.Sleep(time.Second)
		w = served(asked(f), get(), id)
		require.Equal(t, "true", w.Body.String())
		require.Nil(t, cookieOf(w))
	})
}

func TestLapsedThenDestroyed(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	s := created(t, f)
	id := s.ID()
	require.NoError(t, s.Destroy(t.Context()))
	w := served(f.HandlerFunc(func(_ http.ResponseWriter, r *http.Request, s *session.Session) error {
		require.True(t, s.Lapsed())
		return s.Destroy(r.Context())
	}), get(), id)
	require.NotNil(t, cookieOf(w))
	require.Equal(t, -1, cookieOf(w).MaxAge)
}
