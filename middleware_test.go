package session_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// current returns the session of a request, which must have one.
func current(t testing.TB, r *http.Request) *session.Session {
	t.Helper()
	s, err := session.FromContext(r.Context())
	require.NoError(t, err)
	return s
}

func quiet(c session.Config) session.Config {
	c.Logger = slog.New(slog.DiscardHandler)
	return c
}

// counter is a handler that adds 1 to a value and writes the result.
func counter(t testing.TB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := current(t, r)
		require.NoError(t, session.Update(s, "n", func(n int) int { return n + 1 }))
		n, err := session.Get[int](s, "n")
		require.NoError(t, err)
		fmt.Fprint(w, n)
	}
}

// What requests cost, in calls of the store and in header fields.
func TestRequestsCost(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	first := exchanged(f, counter(t))
	require.Equal(t, map[string]int{"Create": 1}, p.take())
	id := cookieOf(first).Value

	untouched := exchanged(f, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "static") }, id)
	require.Empty(t, p.take())
	require.Empty(t, untouched.Header().Values("Set-Cookie"))
	require.Empty(t, untouched.Header().Values("Vary"))
	require.Empty(t, untouched.Header().Values("Cache-Control"))

	read := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.Same(t, current(t, r), current(t, r))
		require.True(t, current(t, r).Has("n"))
	}, id)
	require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
	require.Nil(t, cookieOf(read))
	require.Equal(t, "Cookie", read.Header().Get("Vary"))
	require.Empty(t, read.Header().Values("Cache-Control"))

	written := exchanged(f, counter(t), id)
	require.Equal(t, map[string]int{"Retrieve": 1, "Flush": 1}, p.take())
	require.Nil(t, cookieOf(written), "the client has the cookie")
	require.Equal(t, "2", written.Body.String())

	visitor := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		s := current(t, r)
		require.True(t, s.IsNew())
		require.NoError(t, s.Set("a", 1))
		require.NoError(t, s.Delete("a"))
	})
	require.Empty(t, p.take(), "nothing is stored for a session without content")
	require.Nil(t, cookieOf(visitor))
}

func TestFactoriesAreToldApart(t *testing.T) {
	a, b := factory(t, session.Config{}, newProbe()), factory(t, session.Config{Cookie: session.Cookie{Name: "__Host-b"}}, newProbe())
	third := factory(t, session.Config{}, newProbe())
	h := a.Handler(b.Handler(a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inA, err := a.FromContext(r.Context())
		require.NoError(t, err)
		inB, err := b.FromContext(r.Context())
		require.NoError(t, err)
		require.Same(t, inB, current(t, r), "the innermost")
		require.NotSame(t, inA, inB)
		require.NoError(t, inA.Set("a", 1))
		require.NoError(t, inB.Set("b", 1))
		_, err = third.FromContext(r.Context())
		require.ErrorContains(t, err, "Factory.Handler")
	}))))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Len(t, w.Result().Cookies(), 2)

	_, err := session.FromContext(t.Context())
	require.ErrorContains(t, err, "wrap the handler in Factory.Handler")
	s := created(t, a)
	ctx := session.NewContext(t.Context(), s)
	for _, from := range []func(context.Context) (*session.Session, error){session.FromContext, a.FromContext} {
		got, err := from(ctx)
		require.NoError(t, err)
		require.Same(t, s, got)
	}
	_, err = b.FromContext(ctx)
	require.Error(t, err)
}

// If the session ends while a request is in flight, its changes are dropped without an error page.
func TestLateWriteIsDropped(t *testing.T) {
	for name, end := range map[string]func(*session.Factory, *session.Session) error{
		"destroyed": func(f *session.Factory, s *session.Session) error { return f.Destroy(context.Background(), s.Key()) },
		"renamed":   func(f *session.Factory, s *session.Session) error { return s.ChangeID(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			called := false
			f := factory(t, session.Config{OnError: func(http.ResponseWriter, *http.Request, error) { called = true }}, newProbe())
			s := created(t, f)
			id := s.ID().Reveal()
			w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
				mine := current(t, r)
				require.NoError(t, mine.Set("late", 1))
				require.NoError(t, end(f, s))
				fmt.Fprint(w, "page")
			}, id)
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, "page", w.Body.String())
			require.Nil(t, cookieOf(w))
			require.False(t, called)
			_, err := f.Retrieve(t.Context(), session.NewID(id))
			require.ErrorIs(t, err, session.ErrNotFound)

			s = created(t, f)
			exchanged(f, func(w http.ResponseWriter, r *http.Request) {
				mine := current(t, r)
				require.NoError(t, mine.Set("late", 1))
				require.NoError(t, end(f, s))
				require.ErrorIs(t, mine.Flush(r.Context()), session.ErrNotFound, "Flush reports it")
				require.Same(t, mine, current(t, r), "FromContext returns no new session")
			}, s.ID().Reveal())
		})
	}
}

func TestSignOut(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	id := created(t, f).ID().Reveal()
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).Destroy(r.Context()))
	}, id)
	require.Equal(t, "__Host-session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Lax", w.Header().Get("Set-Cookie"))
	_, err := f.Retrieve(t.Context(), session.NewID(id))
	require.ErrorIs(t, err, session.ErrNotFound)

	id = created(t, f).ID().Reveal()
	w = exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		old := current(t, r)
		require.NoError(t, old.Destroy(r.Context()))
		s := current(t, r)
		require.NotSame(t, old, s)
		require.NoError(t, s.Set("flash", "bye"))
	}, id)
	require.Len(t, w.Header().Values("Set-Cookie"), 1)
	require.NotEqual(t, id, cookieOf(w).Value)
	s, err := f.Retrieve(t.Context(), session.NewID(cookieOf(w).Value))
	require.NoError(t, err)
	require.True(t, s.Has("flash"))
}

func TestPanicStoresNothing(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	id := created(t, f).ID().Reveal()
	p.take()
	require.PanicsWithValue(t, "oops", func() {
		exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, current(t, r).Set("n", 1))
			panic("oops")
		}, id)
	})
	require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
}

// The goroutines of a request read the store once.
func TestConcurrentFromContext(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	id := created(t, f).ID().Reveal()
	p.take()
	exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() { require.NoError(t, current(t, r).Set(fmt.Sprint(i), i)) })
		}
		wg.Wait()
	}, id)
	require.Equal(t, map[string]int{"Retrieve": 1, "Flush": 1}, p.take())
}
