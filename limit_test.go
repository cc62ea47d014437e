package session_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
)

func limited(t *testing.T, cfg session.Config) *session.Factory {
	t.Helper()
	f, err := cfg.New(memory.New(memory.Options{}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// signIn stores a session with a value, and signs the subject in to it.
func signIn(t *testing.T, f *session.Factory, subject string) (*session.Session, error) {
	t.Helper()
	s := created(t, f)
	require.NoError(t, s.Set("cart", 1))
	require.NoError(t, s.Flush(t.Context()))
	require.NoError(t, s.SignIn(t.Context(), subject))
	return s, s.Flush(t.Context())
}

func isAlive(t *testing.T, f *session.Factory, s *session.Session) bool {
	t.Helper()
	_, err := f.Retrieve(t.Context(), s.ID())
	if err != nil {
		require.ErrorIs(t, err, session.ErrNotFound)
	}
	return err == nil
}

func TestTheOldestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := limited(t, session.Config{MaxPerSubject: 3})
		var all []*session.Session
		for i := range 5 {
			s, err := signIn(t, f, "ada")
			require.NoError(t, err)
			all = append(all, s)
			for j, earlier := range all {
				require.Equal(t, j > i-3, isAlive(t, f, earlier), "session %d after sign-in %d", j, i)
			}
			time.Sleep(time.Minute)
		}
		bob, err := signIn(t, f, "bob")
		require.NoError(t, err)
		require.NoError(t, all[2].SignIn(t.Context(), "ada"), "another sign-in in the same session")
		require.NoError(t, all[2].Flush(t.Context()))
		require.True(t, isAlive(t, f, all[2]) && isAlive(t, f, all[3]) && isAlive(t, f, all[4]) && isAlive(t, f, bob))
		time.Sleep(time.Minute)
		_, err = signIn(t, f, "ada")
		require.NoError(t, err)
		require.True(t, isAlive(t, f, all[2]), "its last sign-in is later than that of session 3")
		require.False(t, isAlive(t, f, all[3]))
	})
}

func TestSignInIsRefused(t *testing.T) {
	f := limited(t, session.Config{MaxPerSubject: 2, RefuseAtMax: true})
	first, err := signIn(t, f, "ada")
	require.NoError(t, err)
	_, err = signIn(t, f, "ada")
	require.NoError(t, err)
	require.NoError(t, first.SignIn(t.Context(), "ada"), "the session has its seat")
	require.NoError(t, first.Flush(t.Context()))

	third, err := signIn(t, f, "ada")
	require.ErrorIs(t, err, session.ErrTooManySessions)
	require.NotErrorIs(t, err, session.ErrNotFound)
	kept, err := f.Retrieve(t.Context(), third.ID())
	require.NoError(t, err, "the session stays, without a subject")
	require.Empty(t, kept.Subject())
	require.Empty(t, third.Subject())
	require.ErrorIs(t, third.RequireRecent(time.Hour), session.ErrNotRecent)
	require.NoError(t, third.Flush(t.Context()))
	n, err := session.Get[int](third, "cart")
	require.NoError(t, err)
	require.Equal(t, 1, n)

	require.NoError(t, f.Destroy(t.Context(), first.Key()))
	_, err = signIn(t, f, "ada")
	require.NoError(t, err, "a seat is free again")
}

// However many sign-ins happen at the same time, the limit holds, and at least one succeeds.
func TestLimitHoldsAtOnce(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		f := limited(t, session.Config{MaxPerSubject: 2, RefuseAtMax: refuse})
		for range 50 {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					s := created(t, f)
					require.NoError(t, s.SignIn(t.Context(), "ada"))
					err := s.Flush(context.Background())
					if err != nil && !errors.Is(err, session.ErrTooManySessions) {
						require.ErrorIs(t, err, session.ErrNotFound)
						require.False(t, refuse)
					}
				})
			}
			wg.Wait()
			n := 0
			for _, err := range f.SubjectSessions(t.Context(), "ada") {
				require.NoError(t, err)
				n++
			}
			require.GreaterOrEqual(t, n, 1)
			require.LessOrEqual(t, n, 2, "refuse: %t", refuse)
			if refuse {
				require.NoError(t, f.DestroySubject(t.Context(), "ada"))
			}
		}
	}
}

func TestRefusedSignInOverHTTP(t *testing.T) {
	f := limited(t, quiet(session.Config{MaxPerSubject: 1, RefuseAtMax: true}))
	h := f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		require.NoError(t, err)
		require.NoError(t, s.SignIn(t.Context(), "ada"))
	}))
	for _, want := range []int{http.StatusOK, http.StatusForbidden} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		require.Equal(t, want, w.Code)
	}
}

// If the sessions can't be counted, a sign-in succeeds, or, with RefuseAtMax, fails.
func TestCountingFails(t *testing.T) {
	down := errors.New("down")
	for _, refuse := range []bool{false, true} {
		st := &uncountable{Store: memory.New(memory.Options{})}
		f, err := quiet(session.Config{MaxPerSubject: 1, RefuseAtMax: refuse}).New(st)
		require.NoError(t, err)
		defer f.Close()
		_, err = signIn(t, f, "ada")
		require.NoError(t, err)
		st.err = down
		s, err := signIn(t, f, "ada")
		if refuse {
			require.ErrorIs(t, err, down)
			require.NotErrorIs(t, err, session.ErrTooManySessions)
		} else {
			require.NoError(t, err)
			require.True(t, isAlive(t, f, s))
		}
	}
}

// uncountable is a store whose listing fails.
type uncountable struct {
	driver.Store
	err error
}

func (s *uncountable) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	if s.err != nil {
		return func(yield func(string, error) bool) { yield("", s.err) }
	}
	return s.Store.(driver.SubjectLister).SubjectSessions(ctx, subject)
}

func TestLimitOfConfig(t *testing.T) {
	for want, cfg := range map[string]session.Config{
		"must not be negative":  {MaxPerSubject: -1},
		"if RefuseAtMax is set": {RefuseAtMax: true},
	} {
		_, err := cfg.New(memory.New(memory.Options{}))
		require.ErrorContains(t, err, want)
	}
	_, err := session.Config{MaxPerSubject: 1}.New(struct{ driver.Store }{memory.New(memory.Options{})})
	require.ErrorContains(t, err, "can't list the sessions of a subject (Config.MaxPerSubject)")
}

func TestRequireRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := limited(t, session.Config{})
		s := created(t, f)
		require.ErrorIs(t, s.RequireRecent(time.Hour), session.ErrNotRecent, "nobody has signed in")
		require.Zero(t, s.Info().SignedInAt)
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		require.NoError(t, s.RequireRecent(5*time.Minute))
		time.Sleep(5 * time.Minute)
		require.NoError(t, s.RequireRecent(5*time.Minute))
		time.Sleep(time.Second)
		s, err := f.Retrieve(ctx, s.ID())
		require.NoError(t, err)
		require.NoError(t, s.ChangeID(ctx))
		require.ErrorIs(t, s.RequireRecent(5*time.Minute), session.ErrNotRecent, "a new ID proves nothing")
		before := s.ID()
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		require.NotEqual(t, before, s.ID())
		s, err = f.Retrieve(ctx, s.ID())
		require.NoError(t, err)
		require.NoError(t, s.RequireRecent(5*time.Minute))
	})
}

func TestDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := limited(t, session.Config{})
		s := created(t, f)
		require.Error(t, s.SetLabel(strings.Repeat("x", 201)))
		require.Error(t, s.SetLabel("\xff"))
		require.NoError(t, s.SetLabel("Firefox on Linux"))
		time.Sleep(time.Minute)
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		signedIn := time.Now()
		time.Sleep(10 * time.Minute)
		again, err := f.Retrieve(ctx, s.ID())
		require.NoError(t, err)
		require.NoError(t, again.Flush(ctx))
		for info, err := range f.SubjectSessions(ctx, "ada") {
			require.NoError(t, err)
			require.Equal(t, "Firefox on Linux", info.Label)
			require.Equal(t, s.Handle(), info.Handle)
			require.WithinDuration(t, signedIn, info.SignedInAt, time.Second)
			require.WithinDuration(t, signedIn.Add(-time.Minute), info.Created, time.Second)
			require.WithinDuration(t, time.Now(), info.LastSeen, time.Second)
		}
	})
}

// around is a wrapper that has Unwrap and none of the optional interfaces.
type around struct{ driver.Store }

func (a around) Unwrap() driver.Store { return a.Store }

func TestLimitNeedsListerInAllLayers(t *testing.T) {
	_, err := session.Config{MaxPerSubject: 1}.New(around{memory.New(memory.Options{})})
	require.ErrorContains(t, err, "can't list the sessions of a subject (Config.MaxPerSubject)")
}

// Only each call of the store has a time limit, and not the counting of sessions as a whole.
func TestCountingTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New(memory.Options{})
		free := factory(t, session.Config{SweepInterval: -1}, store)
		for range 40 {
			signedIn(t, free, "ada")
		}
		slow := intercept.New(shared{store}, func(ctx context.Context, _ string, do func(context.Context) error) error {
			time.Sleep(500 * time.Millisecond)
			return do(ctx)
		})
		f := factory(t, quiet(session.Config{MaxPerSubject: 3, StoreTimeout: 2 * time.Second, SweepInterval: -1}), slow)
		s := signedIn(t, f, "ada")
		require.Len(t, ofSubject(t, free, "ada"), 3)
		require.Contains(t, ofSubject(t, free, "ada"), s.Handle())
	})
}
