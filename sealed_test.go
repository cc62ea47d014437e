package session_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// Sessions that are sealed under a secret that this process does not have.

// underTwoSecrets returns two factories with one store, each with a secret that the other does not
// have.
func underTwoSecrets(t *testing.T) (ours, theirs *session.Factory, store *sessiontest.Store) {
	store = sessiontest.Wrap(t, memory.New(memory.Options{}))
	of := func(fill byte) *session.Factory {
		return factory(t, quiet(session.Config{SweepInterval: -1, Secrets: []session.Secret{secret(fill)}}), sharedStore{store})
	}
	return of(1), of(2), store
}

// sharedStore is a sessiontest.Store that several factories may share: Close does nothing.
type sharedStore struct{ *sessiontest.Store }

func (sharedStore) Close() error { return nil }

// Cookies of every kind, in every order. FromContext returns the first session that can be opened;
// otherwise ErrSealed if one is sealed, an overtaken session if the ID of one was changed, or a new
// session. The cookie is cleared only if all are malformed. At most four cookies are tried.
func TestCookiesOfEveryKind(t *testing.T) {
	ours, theirs, store := underTwoSecrets(t)
	known := created(t, ours)
	require.NoError(t, known.Set("known", true))
	require.NoError(t, known.Flush(t.Context()))
	_, old := renamed(t, ours)
	corrupt := created(t, ours)
	rec, err := store.Retrieve(t.Context(), string(corrupt.Key()))
	require.NoError(t, err)
	rec.Data[len(rec.Data)-1] ^= 1
	require.NoError(t, store.Flush(t.Context(), rec))
	values := map[byte]string{
		'K': known.ID().Reveal(), 'S': created(t, theirs).ID().Reveal(), 'M': old.Reveal(), 'C': corrupt.ID().Reveal(),
		'U': strings.Repeat("u", 32), 'X': "malformed",
	}
	h := handlingError(t, ours)
	var check func(kinds string, left int)
	check = func(kinds string, left int) {
		if kinds != "" {
			r := get()
			for _, kind := range []byte(kinds) {
				r.Header.Add("Cookie", "__Host-session="+values[kind])
			}
			wellFormed := strings.ReplaceAll(kinds, "X", "")
			tried := wellFormed[:min(len(wellFormed), 4)]
			store.TakeCalls()
			w := served(h, r, session.ID{})
			calls := store.TakeCalls()
			want := "new"
			switch {
			case strings.Contains(tried, "K"):
				want, tried = "known", tried[:strings.Index(tried, "K")+1]
			case strings.Contains(tried, "S"):
				want = "sealed"
			case strings.Contains(tried, "M"):
				want = "overtaken"
			}
			require.Equal(t, want, w.Header().Get("X-Found"), kinds)
			require.Equal(t, want == "sealed", w.Code == 503, kinds)
			require.Equal(t, len(tried), calls["Retrieve"], kinds)
			if cookies := sentCookies(w.Header()); wellFormed != "" {
				require.Empty(t, cookies, kinds)
			} else {
				require.Len(t, cookies, 1, kinds)
				require.Equal(t, -1, cookies[0].MaxAge, kinds)
			}
			delete(calls, "Retrieve")
			delete(calls, "Renamed")
			require.Empty(t, calls, kinds)
		}
		if left > 0 {
			for kind := range values {
				check(kinds+string(kind), left-1)
			}
		}
	}
	check("", 4)
	for _, kinds := range []string{"UUUUK", "UUUUS", "SUUUK", "UUUUM", "UXUXUXUK", "UXUXUXUXK", "SSSSK", "MMMMK", "CCCCS"} {
		check(kinds, 0)
	}
}

// handlingError is a handler that sets X-Found to what its session is, also on an error page.
func handlingError(t *testing.T, f *session.Factory) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found := "new"
		f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.FromContext(r.Context())
			switch {
			case err != nil:
				require.ErrorIs(t, err, session.ErrSealed)
				require.NotErrorIs(t, err, session.ErrCorrupt)
				require.NotErrorIs(t, err, session.ErrUnavailable)
				found = "sealed"
			case s.Overtaken():
				found = "overtaken"
			case s.Has("known"):
				found = "known"
			default:
				require.True(t, s.IsNew())
			}
		})).ServeHTTP(w, r)
		w.Header().Set("X-Found", found)
	})
}

// A sealed session that has expired is not found, and not answered with 503.
func TestSealedAndExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs, _ := underTwoSecrets(t)
		id := created(t, theirs).ID()
		require.Equal(t, 503, served(handlingError(t, ours), get(), id).Code)
		time.Sleep(session.DefaultIdle + time.Second)
		w := served(handlingError(t, ours), get(), id)
		require.Equal(t, 200, w.Code)
		require.Equal(t, "new", w.Header().Get("X-Found"))
		require.Empty(t, w.Header().Values("Set-Cookie"))
	})
}

// If another process has sealed the session under a new secret since it was read, not even a sign-in
// overwrites it.
func TestSealedMeanwhile(t *testing.T) {
	for name, change := range map[string]func(r *http.Request, s *session.Session) error{
		"Set":    func(r *http.Request, s *session.Session) error { return s.Set("n", 2) },
		"SignIn": func(r *http.Request, s *session.Session) error { return s.SignIn(r.Context(), "ada") },
	} {
		t.Run(name, func(t *testing.T) {
			store := sessiontest.Wrap(t, memory.New(memory.Options{}))
			config := func(secrets ...session.Secret) session.Config {
				return quiet(session.Config{SweepInterval: -1, Secrets: secrets})
			}
			old := factory(t, config(secret(1)), sharedStore{store})
			rotated := factory(t, config(secret(2), secret(1)), sharedStore{store})
			s := created(t, old)
			w := served(handling(t, old, func(r *http.Request, mine *session.Session) {
				n, err := rotated.Reseal(t.Context())
				require.NoError(t, err)
				require.Equal(t, 1, n)
				require.NoError(t, change(r, mine))
			}), get(), s.ID())
			require.Equal(t, 503, w.Code)
			require.Empty(t, sentCookies(w.Header()))
			same(t, rotated, s)
			require.Len(t, keysOf(t, rotated), 1)
		})
	}
}

// Without the secret, the Info of sessions can be read, and they can be counted and ended.
func TestSealedIsListedAndRevoked(t *testing.T) {
	ours, theirs, _ := underTwoSecrets(t)
	s := signedIn(t, theirs, "ada")
	require.NoError(t, s.Set("secret", 1))
	require.NoError(t, s.Flush(t.Context()))

	d, values, err := ours.Inspect(t.Context(), s.Key())
	require.NoError(t, err)
	require.Nil(t, values)
	require.Equal(t, "ada", d.Subject)
	require.Equal(t, s.Handle(), d.Handle)
	require.False(t, d.SignedInAt.IsZero())

	var handles []string
	for info, err := range ours.SubjectSessions(t.Context(), "ada") {
		require.NoError(t, err)
		handles = append(handles, info.Handle)
	}
	require.Equal(t, []string{s.Handle()}, handles)
	require.NoError(t, ours.Revoke(t.Context(), "ada", s.Handle()))
	requireGone(t, theirs, s)
}

func TestInspectOfAnonymousHasNoSignIn(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	d, _, err := f.Inspect(t.Context(), created(t, f).Key())
	require.NoError(t, err)
	require.True(t, d.SignedInAt.IsZero())
	require.Len(t, d.Handle, 22)
	require.Empty(t, d.Subject)
}

// Rotating the secrets as Config.Secrets describes signs no user out, whichever process serves a
// request.
func TestRotationSignsNobodyOut(t *testing.T) {
	store := sessiontest.Wrap(t, memory.New(memory.Options{}))
	fleet := func(secrets ...session.Secret) *session.Factory {
		return factory(t, quiet(session.Config{SweepInterval: -1, Secrets: secrets}), sharedStore{store})
	}
	steps := [][]session.Secret{
		{secret(1)},
		{secret(1), secret(2)},
		{secret(2), secret(1)},
		{secret(2)},
	}
	s := signedIn(t, fleet(steps[0]...), "ada")
	id := s.ID()
	for i := range steps[:len(steps)-1] {
		mixed := []*session.Factory{fleet(steps[i]...), fleet(steps[i+1]...)}
		if i == 2 {
			_, err := mixed[0].Reseal(t.Context())
			require.NoError(t, err)
		}
		for range 3 {
			for _, f := range mixed {
				w := served(handling(t, f, func(r *http.Request, s *session.Session) {
					require.Equal(t, "ada", s.Subject())
					require.NoError(t, session.Update(s, "n", func(n int) int { return n + 1 }))
				}), get(), id)
				require.Equal(t, 200, w.Code)
				require.Empty(t, sentCookies(w.Header()))
			}
			slices.Reverse(mixed)
		}
	}
	n, err := session.Get[int](same(t, fleet(secret(2)), s), "n")
	require.NoError(t, err)
	require.Equal(t, 18, n)
}

// clientSide returns a factory that keeps sessions in cookies.
func clientSide(t *testing.T, o cookie.Options) *session.Factory {
	t.Helper()
	store, err := cookie.New(o)
	require.NoError(t, err)
	return factory(t, quiet(session.Config{SweepInterval: -1}), store)
}

// lasting returns a store in memory that does not say that it may lose writes.
func lasting(t *testing.T) driver.Store {
	store := memory.New(memory.Options{})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return bare{store}
}

// If the session is kept in a cookie that is sealed under an unknown secret, the answer is 503, unless
// another cookie has a session that can be opened.
func TestSealedInTheCookie(t *testing.T) {
	for name, revocations := range map[string]driver.Store{"revocations": lasting(t), "none": nil} {
		t.Run(name, func(t *testing.T) {
			ours := clientSide(t, cookie.Options{Secrets: []session.Secret{secret(1)}, Revocations: revocations, Unrevocable: revocations == nil})
			theirs := clientSide(t, cookie.Options{Secrets: []session.Secret{secret(2)}, Revocations: revocations, Unrevocable: revocations == nil})
			known := created(t, ours)
			require.NoError(t, known.Set("known", 1))
			require.NoError(t, known.Flush(t.Context()))
			sealed := created(t, theirs)
			h := handlingError(t, ours)
			w := served(h, get(), sealed.ID())
			require.Equal(t, 503, w.Code)
			require.Empty(t, sentCookies(w.Header()))
			r := get()
			r.Header.Add("Cookie", "__Host-session="+sealed.ID().Reveal())
			w = served(h, r, known.ID())
			require.Equal(t, 200, w.Code)
			require.Equal(t, "known", w.Header().Get("X-Found"))
		})
	}
}
