package session_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// A request that stays idle stores its changes and does not move the expiry, whether or not the
// store has a Touch.
func TestStayIdle(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*session.Session) error
		moved  time.Duration // by how much the expiry moves
	}{
		"read":         {func(*session.Session) error { return nil }, 0},
		"Set":          {func(s *session.Session) error { return s.Set("n", 2) }, 0},
		"ChangeID":     {func(s *session.Session) error { return s.ChangeID(t.Context()) }, 0},
		"SetTimeouts":  {func(s *session.Session) error { return s.SetTimeouts(session.Timeouts{Idle: 90 * time.Minute}) }, 30 * time.Minute},
		"shorter":      {func(s *session.Session) error { return s.SetTimeouts(session.Timeouts{Idle: 50 * time.Minute}) }, -10 * time.Minute},
		"same sign-in": {func(s *session.Session) error { return s.SignIn(t.Context(), "ada") }, 40 * time.Minute},
	} {
		for _, touched := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, store := tracked(t, session.Config{Timeouts: session.Timeouts{Idle: time.Hour}})
					s := signedIn(t, f, "ada")
					if touched {
						time.Sleep(30 * time.Minute)
						served(f.HandlerFunc(func(http.ResponseWriter, *http.Request, *session.Session) error { return nil }), get(), s.ID())
					}
					before := same(t, f, s).Info()
					time.Sleep(40 * time.Minute)
					store.TakeCalls()
					w := served(f.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, s *session.Session) error {
						s.StayIdle()
						return tt.change(s)
					}), get(), s.ID())
					require.Equal(t, 200, w.Code)
					if name == "read" {
						require.Equal(t, map[string]int{"Retrieve": 1}, store.TakeCalls())
					}
					id := s.ID()
					if c := cookieOf(w); c != nil {
						id = session.NewID(c.Value)
					}
					again, err := f.Retrieve(t.Context(), id)
					require.NoError(t, err)
					after := again.Info()
					require.Equal(t, tt.moved, after.Expires.Sub(before.Expires))
					if name != "same sign-in" {
						require.Equal(t, before.LastSeen, after.LastSeen)
					}
					require.Equal(t, name == "Set", again.Has("n"))
				})
			})
		}
	}
}

// A session that is only polled expires; one that is used does not.
func TestStayIdleExpires(t *testing.T) {
	for _, idle := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f, _ := tracked(t, session.Config{Timeouts: session.Timeouts{Idle: time.Hour}})
			s := signedIn(t, f, "ada")
			poll := f.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, s *session.Session) error {
				if idle {
					s.StayIdle()
				}
				return increment(s)
			})
			for range 11 {
				time.Sleep(5 * time.Minute)
				served(poll, get(), s.ID())
			}
			time.Sleep(10 * time.Minute)
			_, err := f.Retrieve(t.Context(), s.ID())
			if idle {
				require.ErrorIs(t, err, session.ErrNotFound)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// A use by another request at the same time counts.
func TestStayIdleBesideUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := tracked(t, session.Config{Timeouts: session.Timeouts{Idle: time.Hour}})
		s := signedIn(t, f, "ada")
		time.Sleep(30 * time.Minute)
		polls, uses := same(t, f, s), same(t, f, s)
		polls.StayIdle()
		require.NoError(t, polls.Set("a", 1))
		require.NoError(t, uses.Set("b", 1))
		require.NoError(t, uses.Flush(t.Context()))
		require.NoError(t, polls.Flush(t.Context()))
		require.Equal(t, time.Now().Add(time.Hour).UTC(), same(t, f, s).Info().Expires)
	})
}

// A new session gets an expiry as usual.
func TestStayIdleOfNewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := tracked(t, session.Config{Timeouts: session.Timeouts{Idle: time.Hour}})
		s := f.NewSession()
		s.StayIdle()
		require.NoError(t, s.Set("n", 1))
		require.NoError(t, s.Flush(t.Context()))
		require.Equal(t, time.Now().Add(time.Hour).UTC(), same(t, f, s).Info().Expires)
	})
}

// A use by another request while this one is under way counts, whatever this one writes: stores move
// an expiry without a new version.
func TestStayIdleKeepsUse(t *testing.T) {
	for name, change := range map[string]func(*session.Session) error{
		"Set":      func(s *session.Session) error { return s.Set("n", 1) },
		"ChangeID": func(s *session.Session) error { return s.ChangeID(t.Context()) },
	} {
		for _, wait := range []time.Duration{30 * time.Second, 2 * time.Minute} { // before and after the session would have expired
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, _ := tracked(t, session.Config{Timeouts: session.Timeouts{Idle: time.Hour}})
					s := signedIn(t, f, "ada")
					time.Sleep(59 * time.Minute)
					var before session.Info
					w := served(f.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, s *session.Session) error {
						s.StayIdle()
						served(f.HandlerFunc(fails(nil)), get(), s.ID()) // the use
						before = same(t, f, s).Info()
						time.Sleep(wait)
						return change(s)
					}), get(), s.ID())
					require.Equal(t, 200, w.Code)
					id := s.ID()
					if c := cookieOf(w); c != nil {
						id = session.NewID(c.Value)
					}
					again, err := f.Retrieve(t.Context(), id)
					require.NoError(t, err)
					require.Equal(t, before.Expires, again.Info().Expires)
					require.Equal(t, before.LastSeen, again.Info().LastSeen)
					require.Equal(t, name == "Set", again.Has("n"))
				})
			})
		}
	}
}

// The last use of a session is known even if Lifetime has cut the expiry, from which it is computed
// otherwise.
func TestStayIdleNearTheEndOfLifetime(t *testing.T) {
	timeouts := session.Timeouts{Idle: time.Hour, Lifetime: 2 * time.Hour}
	longer := session.Timeouts{Idle: 3 * time.Hour, Lifetime: 24 * time.Hour}
	shorter := session.Timeouts{Idle: 15 * time.Minute, Lifetime: 24 * time.Hour}
	for _, uses := range [][]time.Duration{ // since the session began
		{110 * time.Minute},
		{50 * time.Minute, 90 * time.Minute},
		{50 * time.Minute, 90 * time.Minute, 110 * time.Minute},
		{50 * time.Minute, 60 * time.Minute, 119 * time.Minute},
	} {
		for name, own := range map[string]session.Timeouts{"longer": longer, "shorter": shorter} {
			t.Run(fmt.Sprint(name, uses), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, _ := tracked(t, session.Config{Timeouts: timeouts, Anonymous: timeouts})
					began := time.Now()
					s := signedIn(t, f, "ada")
					if uses[0] > time.Hour {
						time.Sleep(55 * time.Minute)
						served(f.HandlerFunc(fails(nil)), get(), s.ID())
					}
					for _, use := range uses {
						time.Sleep(time.Until(began.Add(use)))
						served(f.HandlerFunc(fails(nil)), get(), s.ID())
					}
					last := began.Add(uses[len(uses)-1]).UTC()
					require.Equal(t, last, same(t, f, s).Info().LastSeen)
					time.Sleep(time.Minute - time.Millisecond)
					served(f.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, s *session.Session) error {
						s.StayIdle()
						return s.SetTimeouts(own)
					}), get(), s.ID())
					require.Equal(t, last.Add(own.Idle), same(t, f, s).Info().Expires)
					require.Equal(t, last, same(t, f, s).Info().LastSeen)
				})
			})
		}
	}
}

// A use by another request counts, even if a write that stays idle conflicts with storing it.
func TestStayIdleMeetsUse(t *testing.T) {
	for name, lifetime := range map[string]time.Duration{"expiry": 24 * time.Hour, "end of Lifetime": 80 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				st := stage(memory.New(memory.Options{}))
				cfg := quiet(session.Config{Timeouts: session.Timeouts{Idle: time.Hour, Lifetime: lifetime}, SweepInterval: -1})
				f := factory(t, cfg, bare{st})
				s := signedIn(t, f, "ada")
				time.Sleep(30 * time.Minute)
				uses, polls := same(t, f, s), same(t, f, s)
				polls.StayIdle()
				require.NoError(t, polls.Set("n", 1))
				require.NoError(t, polls.Flush(ctx))
				require.NoError(t, uses.Flush(ctx))
				require.Equal(t, time.Now().UTC(), same(t, f, s).Info().LastSeen)
				require.Equal(t, 1, got[int](t, same(t, f, s), "n"))
			})
		})
	}
}
