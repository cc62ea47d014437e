package session_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/sessiontest"
)

// Discard drops the changes of a request. The session reads as it was stored, and can be changed.
func TestDiscard(t *testing.T) {
	ctx := t.Context()
	for name, change := range map[string]func(*session.Session) error{
		"Set":                    func(s *session.Session) error { return s.Set("n", 2) },
		"Update":                 increment,
		"Delete":                 func(s *session.Session) error { return s.Delete("n") },
		"Clear":                  func(s *session.Session) error { return s.Clear() },
		"Pop":                    func(s *session.Session) error { _, err := session.Pop[int](s, "n"); return err },
		"SetLabel":               func(s *session.Session) error { return s.SetLabel("phone") },
		"SetTimeouts":            func(s *session.Session) error { return s.SetTimeouts(session.Timeouts{Idle: time.Minute}) },
		"SignIn":                 func(s *session.Session) error { return s.SignIn(ctx, "ada") },
		"SignIn of another user": func(s *session.Session) error { return s.SignIn(ctx, "bob") },
	} {
		for _, seal := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				c := session.Config{}
				if seal {
					c.Secrets = []session.Secret{secret(1)}
				}
				f, store := tracked(t, c)
				s := stored(t, f, map[string]any{"n": 1, "m": "x"})
				require.NoError(t, s.SignIn(ctx, "ada"))
				require.NoError(t, s.Flush(ctx))
				id, handle, start := s.ID().Reveal(), s.Handle(), s.Info().Timeouts

				require.NoError(t, change(s))
				store.TakeCalls()
				s.Discard()
				require.Equal(t, []string{"m", "n"}, s.Names())
				require.Equal(t, 1, got[int](t, s, "n"))
				require.Equal(t, "ada", s.Subject())
				require.Equal(t, handle, s.Handle())
				require.Equal(t, start, s.Info().Timeouts)
				require.NoError(t, s.Flush(ctx))
				require.Equal(t, id, s.ID().Reveal())
				require.Empty(t, store.TakeCalls(), "nothing is stored")

				require.NoError(t, s.Set("later", 1))
				require.NoError(t, s.Flush(ctx))
				again := same(t, f, s)
				require.Equal(t, []string{"later", "m", "n"}, again.Names())
				require.Equal(t, 1, got[int](t, again, "n"))
				require.Equal(t, "ada", again.Subject())
			})
		}
	}
}

// A session that is not stored has no content after Discard, and is not stored.
func TestDiscardOfNewSession(t *testing.T) {
	ctx := t.Context()
	f, store := tracked(t, session.Config{})
	s := f.NewSession()
	require.NoError(t, s.Set("n", 1))
	require.NoError(t, s.SetLabel("phone"))
	require.NoError(t, s.SignIn(ctx, "ada"))
	s.Discard()
	require.Empty(t, s.Names())
	require.Empty(t, s.Subject())
	require.True(t, s.IsNew())
	require.NoError(t, s.Flush(ctx))
	require.Zero(t, store.TakeCalls()["Create"])
	require.NoError(t, s.Set("n", 2))
	require.NoError(t, s.Flush(ctx))
	require.Equal(t, 2, got[int](t, same(t, f, s), "n"))
}

// Discard keeps what Flush, Take, ChangeID and Destroy have stored.
func TestDiscardAfterStoring(t *testing.T) {
	ctx := t.Context()
	f, _ := tracked(t, session.Config{})
	s := stored(t, f, map[string]any{"once": 1, "n": 1})
	require.NoError(t, s.Set("flushed", 1))
	require.NoError(t, s.Flush(ctx))
	require.NoError(t, s.Set("with take", 1))
	n, err := session.Take[int](ctx, s, "once")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, s.ChangeID(ctx))
	id := s.ID().Reveal()
	require.NoError(t, s.Set("n", 2))
	s.Discard()
	require.Equal(t, []string{"flushed", "n", "with take"}, s.Names())
	require.Equal(t, 1, got[int](t, s, "n"))
	require.Equal(t, id, s.ID().Reveal())
	require.Equal(t, []string{"flushed", "n", "with take"}, same(t, f, s).Names())

	require.NoError(t, s.Destroy(ctx))
	s.Discard()
	require.ErrorIs(t, s.Set("n", 1), session.ErrNotFound)
	require.Equal(t, -1, s.Cookie().MaxAge)
}

// After a failed Take the value is still there, also after Discard.
func TestDiscardAfterFailedTake(t *testing.T) {
	ctx := t.Context()
	for name, act := range map[string]act{"lost": lost, "unmade": unmade} {
		f, st := onStage(t, session.Config{})
		s := stored(t, f, map[string]any{"once": 1})
		st.then("Flush", act)
		st.then("Retrieve", unmade)
		_, err := session.Take[int](ctx, s, "once")
		require.ErrorIs(t, err, session.ErrUnavailable)
		s.Discard()
		require.NoError(t, s.Set("n", 1))
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, name == "unmade", same(t, f, s).Has("once"), name)
		require.Equal(t, name == "unmade", s.Has("once"), name)
	}
}

// If later writes hide the outcome of a write, the session stores nothing until Discard: the changes
// are stored once or not at all.
func TestDiscardHiddenWrite(t *testing.T) {
	ctx := t.Context()
	for _, done := range []bool{true, false} {
		f, st := onStage(t, session.Config{})
		s := stored(t, f, map[string]any{"n": 0})
		for range 4 {
			require.NoError(t, increment(s))
			require.NoError(t, s.Flush(ctx))
		}
		require.NoError(t, increment(s))
		st.then("Flush", func(ctx context.Context, do func(context.Context) error) error {
			if done {
				_ = do(ctx)
			}
			for range 4 {
				other := same(t, f, s)
				require.NoError(t, other.Set("x", 1))
				require.NoError(t, other.Flush(ctx))
			}
			return sessiontest.ErrOutage
		})
		require.ErrorIs(t, s.Flush(ctx), session.ErrUnavailable)
		require.ErrorIs(t, s.Flush(ctx), session.ErrUnavailable)
		s.Discard()
		require.NoError(t, s.Flush(ctx))
		require.NoError(t, increment(s))
		require.NoError(t, s.Flush(ctx))
		want := 5
		if done {
			want++
		}
		require.Equal(t, want, got[int](t, same(t, f, s), "n"), done)
		require.Equal(t, want, got[int](t, s, "n"), done)
	}
}

// After Discard, a write that got no answer is neither retried by a Flush nor done late by the
// store.
func TestDiscardUnansweredWrite(t *testing.T) {
	ctx := t.Context()
	for _, limit := range []int{0, 1} {
		for outcome, tt := range map[string]struct {
			act  act
			done bool
		}{"done": {lost, true}, "not done": {unmade, false}} {
			t.Run("sign-in "+outcome, func(t *testing.T) {
				f, st := onStage(t, session.Config{MaxPerSubject: limit})
				s := stored(t, f, map[string]any{"n": 1})
				old := s.ID()
				st.then("ChangeID", tt.act)
				require.NoError(t, s.SignIn(ctx, "ada"))
				require.NoError(t, s.Set("n", 2))
				downFrom(t, st, s)
				s.Discard()
				require.Empty(t, s.Subject())
				require.Equal(t, 1, got[int](t, s, "n"))
				require.NoError(t, s.Set("later", 1))
				require.NoError(t, s.Flush(ctx))
				require.Equal(t, tt.done, s.ID().Reveal() != old.Reveal())
				again := same(t, f, s)
				require.Equal(t, tt.done, again.Subject() == "ada")
				require.Equal(t, tt.done, s.Subject() == "ada")
				require.Equal(t, tt.done, got[int](t, again, "n") == 2)
				require.True(t, again.Has("later"))
			})
		}
	}
	t.Run("late", func(t *testing.T) {
		f, st := onStage(t, session.Config{})
		s := stored(t, f, map[string]any{"n": 1})
		var late func() error
		st.then("ChangeID", func(_ context.Context, do func(context.Context) error) error {
			late = func() error { return do(context.Background()) }
			return sessiontest.ErrOutage
		})
		require.NoError(t, s.SignIn(ctx, "ada"))
		downFrom(t, st, s)
		s.Discard()
		require.NoError(t, s.Flush(ctx))
		require.ErrorIs(t, late(), session.ErrConflict)
		require.Empty(t, same(t, f, s).Subject())
	})
	for _, act := range []act{lost, unmade} {
		f, st := onStage(t, session.Config{SweepInterval: 10 * time.Millisecond})
		s := f.NewSession()
		require.NoError(t, s.Set("n", 1))
		st.then("Create", act)
		downFrom(t, st, s)
		s.Discard()
		require.NoError(t, s.Flush(ctx))
		require.True(t, s.IsNew())
		require.Eventually(t, func() bool {
			for _, err := range f.Sessions(ctx) {
				return err != nil
			}
			return true
		}, time.Minute, time.Millisecond, "the session that nobody knows ends")
	}
}

// downFrom flushes s while the store is down, so that the outcome can't be found out.
func downFrom(t *testing.T, st *staged, s *session.Session) {
	t.Helper()
	for _, call := range []string{"Retrieve", "Create"} {
		for range 6 {
			st.then(call, unmade)
		}
	}
	require.Error(t, s.Flush(t.Context()))
	st.heal()
}

// Discard drops a sign-in that was to begin a new session. The session before it stays gone.
func TestDiscardOfSessionBegunAnew(t *testing.T) {
	ctx := t.Context()
	t.Run("lost", func(t *testing.T) {
		f, _ := tracked(t, session.Config{})
		s := signedIn(t, f, "ada")
		require.NoError(t, f.Destroy(ctx, s.Key()))
		require.NoError(t, s.Set("n", 1))
		require.ErrorIs(t, s.Flush(ctx), session.ErrNotFound)
		require.NoError(t, s.SignIn(ctx, "bob"))
		s.Discard()
		require.ErrorIs(t, s.Set("n", 1), session.ErrNotFound)
		require.ErrorIs(t, s.SignIn(ctx, "ada"), session.ErrNotFound, "the session was ended on purpose")
		require.NoError(t, s.SignIn(ctx, "bob"))
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, "bob", same(t, f, s).Subject())
	})
	t.Run("overtaken", func(t *testing.T) {
		f, store := tracked(t, session.Config{})
		s := created(t, f)
		old := s.ID()
		require.NoError(t, s.ChangeID(ctx))
		store.TakeCalls()
		w := served(f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
			require.True(t, s.Overtaken())
			require.NoError(t, s.SignIn(ctx, "ada"))
			require.False(t, s.Overtaken())
			s.Discard()
			require.True(t, s.Overtaken())
			return s.Set("n", 1)
		}), get(), old)
		require.Equal(t, 200, w.Code)
		require.Empty(t, sentCookies(w.Header()), "the client keeps its new cookie")
		require.Zero(t, store.TakeCalls()["Create"])
	})
}

// Discard of a session that is kept in its cookie.
func TestDiscardInCookie(t *testing.T) {
	ctx := t.Context()
	store, err := cookie.New(cookie.Options{Secrets: []session.Secret{secret(1)}, Unrevocable: true})
	require.NoError(t, err)
	f := factory(t, session.Config{}, store)
	s := stored(t, f, map[string]any{"n": 1})
	id := s.ID().Reveal()
	require.NoError(t, s.Set("n", 2))
	s.Discard()
	require.NoError(t, s.Flush(ctx))
	require.Equal(t, id, s.ID().Reveal())
	require.Equal(t, 1, got[int](t, s, "n"))
}

// Discard inside of the function given to Update makes the Update fail.
func TestDiscardInUpdate(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	s := stored(t, f, map[string]any{"n": 1})
	require.ErrorContains(t, session.Update(s, "n", func(n int) int { s.Discard(); return n + 1 }), "must not change")
	require.Equal(t, 1, got[int](t, s, "n"))
}

// Goroutines may change, store and discard one session at the same time: afterwards it reads as it
// is stored.
func TestDiscardWhileOthersWrite(t *testing.T) {
	ctx := t.Context()
	f, _ := tracked(t, session.Config{})
	s := stored(t, f, map[string]any{"n": 0})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			s.Discard()
		}
	}()
	for range 200 {
		require.NoError(t, increment(s))
		require.NoError(t, s.Flush(ctx))
	}
	<-done
	s.Discard()
	require.Equal(t, got[int](t, same(t, f, s), "n"), got[int](t, s, "n"))
}

// If Discard can't wait for another write, the session gets no ID after the error page has left
// without one.
func TestDiscardWhileUpdateHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f, _ := tracked(t, session.Config{StoreTimeout: time.Second})
		s := signedIn(t, f, "ada")
		flushed, runs := make(chan error, 1), 0
		w := served(f.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, s *session.Session) error {
			require.NoError(t, session.Update(s, "n", func(n int) int {
				if runs++; runs == 2 {
					time.Sleep(2500 * time.Millisecond) // Discard and the commit wait for a second each
				}
				return n + 1
			}))
			other := same(t, f, s)
			require.NoError(t, other.Set("other", 1))
			require.NoError(t, other.Flush(ctx))
			go func() { flushed <- s.Flush(ctx) }()
			synctest.Wait() // until it merges
			require.NoError(t, s.SignIn(ctx, "ada"))
			return errOfApp
		}), get(), s.ID())
		require.Equal(t, 500, w.Code)
		require.ErrorIs(t, <-flushed, session.ErrHeaderSent)
		require.Nil(t, cookieOf(w))
		require.Equal(t, []string{"other"}, same(t, f, s).Names())
	})
}
