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

// A session under a secret that this process does not have.

// underTwoSecrets returns two factories over one store, of which neither has the secret
// of the other.
func underTwoSecrets(t *testing.T) (ours, theirs *session.Factory, store *sessiontest.Store) {
	store = sessiontest.Wrap(t, memory.New(memory.Options{}))
	of := func(fill byte) *session.Factory {
		return factory(t, quiet(session.Config{SweepInterval: -1, Keys: []session.Secret{secret(fill)}}), sharedStore{store})
	}
	return of(1), of(2), store
}

// sharedStore is a sessiontest.Store that factories may share.
type sharedStore struct{ *sessiontest.Store }

func (sharedStore) Close() error { return nil }

// With cookies of every kind, in every order: the first session that opens; else 503 if one
// is sealed; else an overtaken request if the ID of one was changed; else a new session. Only
// what is malformed is cleared, and only if there is nothing else. At most four are tried.
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
		'K': string(known.ID()), 'S': string(created(t, theirs).ID()), 'M': string(old), 'C': string(corrupt.ID()),
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
			store.Calls()
			w := served(h, r, "")
			calls := store.Calls()
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

// handlingError is a handler that says in X-Found what its session is.
func handlingError(t *testing.T, f *session.Factory) http.Handler {
	return f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		switch {
		case err != nil:
			require.ErrorIs(t, err, session.ErrSealed)
			require.NotErrorIs(t, err, session.ErrCorrupt)
			require.NotErrorIs(t, err, session.ErrUnavailable)
			w.Header().Set("X-Found", "sealed")
		case s.Overtaken():
			w.Header().Set("X-Found", "overtaken")
		case s.Has("known"):
			w.Header().Set("X-Found", "known")
		default:
			require.True(t, s.IsNew())
			w.Header().Set("X-Found", "new")
		}
	}))
}

// A sealed session that has expired is no reason for 503.
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

// A session that another process has sealed again since it was read is not replaced, not
// even by a sign-in.
func TestSealedMeanwhile(t *testing.T) {
	for name, change := range map[string]func(r *http.Request, s *session.Session) error{
		"Set":    func(r *http.Request, s *session.Session) error { return s.Set("n", 2) },
		"SignIn": func(r *http.Request, s *session.Session) error { return s.SignIn(r.Context(), "ada") },
	} {
		t.Run(name, func(t *testing.T) {
			store := sessiontest.Wrap(t, memory.New(memory.Options{}))
			config := func(secrets ...session.Secret) session.Config {
				return quiet(session.Config{SweepInterval: -1, Keys: secrets})
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

// What stands beside the values can be read, counted and ended without the secret.
func TestSealedIsListedAndRevoked(t *testing.T) {
	ours, theirs, _ := underTwoSecrets(t)
	s := signedIn(t, theirs, "ada")
	require.NoError(t, s.Set("secret", 1))
	require.NoError(t, s.Flush(t.Context()))

	d, err := ours.Inspect(t.Context(), s.Key())
	require.NoError(t, err)
	require.True(t, d.Sealed)
	require.Nil(t, d.Values)
	require.Equal(t, "ada", d.Subject)
	require.Equal(t, s.Handle(), d.Handle)
	require.False(t, d.Authenticated.IsZero())

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
	d, err := f.Inspect(t.Context(), created(t, f).Key())
	require.NoError(t, err)
	require.True(t, d.Authenticated.IsZero())
	require.Len(t, d.Handle, 22)
	require.Empty(t, d.Subject)
}

// Secrets rotated in the order of Config.Keys sign nobody out, whichever process a request
// meets.
func TestRotationSignsNobodyOut(t *testing.T) {
	store := sessiontest.Wrap(t, memory.New(memory.Options{}))
	fleet := func(secrets ...session.Secret) *session.Factory {
		return factory(t, quiet(session.Config{SweepInterval: -1, Keys: secrets}), sharedStore{store})
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

// clientSide returns a factory that keeps sessions in the cookie.
func clientSide(t *testing.T, o cookie.Options) *session.Factory {
	t.Helper()
	store, err := cookie.New(o)
	require.NoError(t, err)
	return factory(t, quiet(session.Config{SweepInterval: -1}), store)
}

// lasting is a store in memory that is taken for one that loses nothing.
func lasting(t *testing.T) driver.Store {
	store := memory.New(memory.Options{})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return bare{store}
}

// The same with a session that is the cookie.
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
			r.Header.Add("Cookie", "__Host-session="+string(sealed.ID()))
			w = served(h, r, known.ID())
			require.Equal(t, 200, w.Code)
			require.Equal(t, "known", w.Header().Get("X-Found"))
		})
	}
}
