package session_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// A sign-in whose session is gone begins a new one with the changes of this request. An Update
// among them may read the session.
func TestSignInBeginsAnew(t *testing.T) {
	ctx := t.Context()
	for name, end := range map[string]func(*session.Factory, *session.Session) error{
		"signed out":               func(_ *session.Factory, s *session.Session) error { return s.Destroy(ctx) },
		"renamed":                  func(_ *session.Factory, s *session.Session) error { return s.ChangeID(ctx) },
		"signed in as the same":    func(_ *session.Factory, s *session.Session) error { _ = s.SignIn(ctx, "ada"); return s.Flush(ctx) },
		"signed in as another":     func(_ *session.Factory, s *session.Session) error { _ = s.SignIn(ctx, "bob"); return s.Flush(ctx) },
		"ended by another process": func(f *session.Factory, s *session.Session) error { return f.Destroy(ctx, s.Key()) },
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := onStage(t, session.Config{})
			s := stored(t, f, map[string]any{"n": 5, "factor": true})
			w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
				mine := current(t, r)
				require.NoError(t, session.Update(mine, "n", func(n int) int { mine.Has("n"); return n + 1 }))
				require.NoError(t, end(f, same(t, f, s)))
				require.NoError(t, mine.SignIn(ctx, "ada"))
			}, s.ID().Reveal())
			require.Equal(t, http.StatusOK, w.Code)
			require.NotNil(t, cookieOf(w))
			mine, err := f.Retrieve(ctx, session.NewID(cookieOf(w).Value))
			require.NoError(t, err)
			require.Equal(t, "ada", mine.Subject())
			require.Equal(t, map[string]any{"n": 1.}, values(t, mine), "the new session must have nothing of the old one")
			require.NotEqual(t, s.Handle(), mine.Handle())
		})
	}
}

// A user who signs in again after the session was ended is not signed in.
func TestSignInAgainAfterTheEnd(t *testing.T) {
	ctx := t.Context()
	f, _ := onStage(t, session.Config{})
	s := signedIn(t, f, "ada")
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		mine := current(t, r)
		require.NoError(t, mine.SignIn(ctx, "ada"))
		require.NoError(t, f.Destroy(ctx, s.Key()))
		require.ErrorIs(t, mine.Flush(ctx), session.ErrNotFound)
		require.ErrorIs(t, mine.SignIn(ctx, "ada"), session.ErrNotFound)
	}, s.ID().Reveal())
	require.Nil(t, cookieOf(w))
	require.Empty(t, ofSubject(t, f, "ada"))
}

// An overtaken request stays overtaken after its changes were dropped, until it signs in.
func TestOvertakenAfterFlush(t *testing.T) {
	ctx := t.Context()
	f, _ := onStage(t, session.Config{})
	s := stored(t, f, map[string]any{"n": 5})
	old := s.ID().Reveal()
	require.NoError(t, s.ChangeID(ctx))
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		mine := current(t, r)
		require.True(t, mine.Overtaken())
		require.Empty(t, mine.Names())
		require.NoError(t, mine.Set("x", 1))
		require.ErrorIs(t, mine.Flush(ctx), session.ErrNotFound)
		require.True(t, mine.Overtaken(), "after a Flush")
	}, old)
	require.Nil(t, cookieOf(w))
	w = exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		mine := current(t, r)
		require.NoError(t, mine.Set("x", 1))
		require.ErrorIs(t, mine.Flush(ctx), session.ErrNotFound)
		require.NoError(t, mine.SignIn(ctx, "ada"))
		require.NoError(t, mine.Flush(ctx))
		require.False(t, mine.Overtaken(), "the request has a session of its own")
	}, old)
	require.NotNil(t, cookieOf(w))
	require.EqualValues(t, 2, f.Stats().Dropped)
}

// A client that goes away while sessions are counted gets no seat.
func TestClientGoneDuringAdmission(t *testing.T) {
	for _, known := range []bool{false, true} {
		f, st := onStage(t, session.Config{MaxPerSubject: 2})
		signedIn(t, f, "ada")
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "POST", "https://example.com/", nil)
		if known {
			r.AddCookie(stored(t, f, map[string]any{"x": 1}).Cookie())
		}
		w := httptest.NewRecorder()
		f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			require.NoError(t, current(t, r).SignIn(r.Context(), "ada"))
			st.then("SubjectSessions", beforeIt(leave))
		})).ServeHTTP(w, r)
		require.Nil(t, cookieOf(w))
		require.Len(t, ofSubject(t, f, "ada"), 1, "known: %t", known)
	}
}

// The time of a seat may be ahead of the clock. RequireRecent goes by the time of the sign-in.
func TestSeatAheadIsNotRecent(t *testing.T) {
	store := memory.New(memory.Options{})
	ahead := sessiontest.NewClock()
	ahead.Advance(2 * time.Hour)
	clock := sessiontest.NewClock()
	there := factory(t, session.Config{MaxPerSubject: 3, Now: ahead.Now, Timeouts: session.Timeouts{Idle: 6 * time.Hour}}, store)
	here := factory(t, session.Config{MaxPerSubject: 3, Now: clock.Now, Timeouts: session.Timeouts{Idle: 6 * time.Hour}}, shared{store})
	signedIn(t, there, "ada")
	s := signedIn(t, here, "ada")
	require.NoError(t, s.RequireRecent(5*time.Minute))
	clock.Advance(time.Hour)
	require.ErrorIs(t, same(t, here, s).RequireRecent(5*time.Minute), session.ErrNotRecent)
}

// shared is a memory store that another factory closes.
type shared struct{ driver.Store }

func (shared) Close() error { return nil }

func (s shared) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.Store.(driver.SubjectLister).SubjectSessions(ctx, subject)
}

func (s shared) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	return s.Store.(driver.RenameTracker).Renamed(ctx, key)
}

// An Attempt can be a value of a session with any codec.
func TestAttemptIsAValue(t *testing.T) {
	ctx := t.Context()
	for _, codec := range []session.Codec{session.JSON, session.Gob} {
		t.Run(codec.Name(), func(t *testing.T) {
			f, _ := onStage(t, session.Config{Codecs: []session.Codec{codec}})
			attempt, err := f.BeginSignIn(ctx, "ada")
			require.NoError(t, err)
			s := stored(t, f, map[string]any{"attempt": attempt})
			kept := got[session.Attempt](t, same(t, f, s), "attempt")
			require.NoError(t, s.SignIn(ctx, "ada", kept))
			require.NoError(t, s.Flush(ctx))
			require.NoError(t, f.DestroySubject(ctx, "ada"))
			again := created(t, f)
			require.NoError(t, again.SignIn(ctx, "ada", kept))
			require.ErrorIs(t, again.Flush(ctx), session.ErrStaleSignIn)
		})
	}
}

// A sign-in that loses the race for the last seat leaves its session anonymous, under a new ID, and
// makes an event of the ID change.
func TestDemotion(t *testing.T) {
	ctx := t.Context()
	for kind, wrapped := range map[string]func(driver.Store) driver.Store{
		"memory":                func(s driver.Store) driver.Store { return s },
		"that tells no version": func(s driver.Store) driver.Store { return forgetfulLister{forgetful{s}} },
	} {
		for _, known := range []bool{true, false} {
			t.Run(kind, func(t *testing.T) {
				var events []session.Event
				st := stage(memory.New(memory.Options{}))
				cfg := session.Config{MaxPerSubject: 1, RefuseAtMax: true, OnEvent: func(_ context.Context, e session.Event) { events = append(events, e) }}
				f := factory(t, quiet(cfg), wrapped(st))
				s := f.NewSession()
				if known {
					s = stored(t, f, map[string]any{"cart": 1, "n": 0})
				} else {
					require.NoError(t, s.Set("cart", 1))
				}
				var winner *session.Session
				require.NoError(t, s.SignIn(ctx, "ada"))
				old := s.ID()
				call := map[bool]string{true: "ChangeID", false: "Create"}[known]
				st.then(call, func(ctx context.Context, do func(context.Context) error) error {
					winner = signedIn(t, f, "ada") // admitted before
					events = nil
					return do(ctx)
				})
				st.then("Flush", beforeIt(func() { require.NoError(t, increment(s)) })) // by another goroutine
				err := s.Flush(ctx)
				require.ErrorIs(t, err, session.ErrTooManySessions)
				require.NotEqual(t, old, s.ID())
				require.Empty(t, s.Subject())
				require.ErrorIs(t, s.RequireRecent(time.Hour), session.ErrNotRecent)
				after := same(t, f, s)
				require.Empty(t, after.Subject())
				require.Equal(t, 1, got[int](t, after, "cart"))
				require.Equal(t, []string{winner.Handle()}, ofSubject(t, f, "ada"))
				require.Len(t, events, 1)
				want := session.Event{Kind: session.EventCreated, Handle: s.Handle(), Key: s.Key()}
				if known {
					want.Kind, want.OldKey = session.EventChangedID, old.Key()
				}
				require.Equal(t, want, events[0])

				require.NoError(t, s.Flush(ctx))
				require.NoError(t, s.Set("x", 1))
				require.NoError(t, s.Flush(ctx))
				require.Equal(t, 1, got[int](t, same(t, f, s), "n"), "once")
			})
		}
	}
}

// forgetfulLister is a forgetful store that lists the sessions of a subject.
type forgetfulLister struct{ forgetful }

func (s forgetfulLister) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.Store.(driver.SubjectLister).SubjectSessions(ctx, subject)
}

// A label and timeouts that a request sets apply to the new user, even if they are in a write of
// unknown outcome.
func TestSignInAsAnotherKeepsLabelAndTimeouts(t *testing.T) {
	ctx := t.Context()
	own := session.Timeouts{Idle: 48 * time.Hour, Lifetime: 96 * time.Hour}
	aside := func(s *session.Session) {
		require.NoError(t, s.SetLabel("mine"))
		require.NoError(t, s.SetTimeouts(own))
	}
	for name, do := range map[string]func(f *session.Factory, st *staged, s *session.Session){
		"before": func(_ *session.Factory, _ *staged, s *session.Session) {
			aside(s)
			require.NoError(t, s.SignIn(ctx, "ada"))
		},
		"after": func(_ *session.Factory, _ *staged, s *session.Session) {
			require.NoError(t, s.SignIn(ctx, "ada"))
			aside(s)
		},
		"between two": func(_ *session.Factory, _ *staged, s *session.Session) {
			require.NoError(t, s.SignIn(ctx, "carl"))
			aside(s)
			require.NoError(t, s.SignIn(ctx, "ada"))
		},
		"before, twice the same": func(_ *session.Factory, _ *staged, s *session.Session) {
			aside(s)
			require.NoError(t, s.SignIn(ctx, "ada"))
			require.NoError(t, s.SignIn(ctx, "ada"))
		},
		"in a write without an answer": func(_ *session.Factory, st *staged, s *session.Session) {
			aside(s)
			st.then("Flush", unmade, unmade)
			require.Error(t, s.Flush(ctx))
			require.NoError(t, s.SignIn(ctx, "ada"))
		},
		"conflict": func(f *session.Factory, _ *staged, s *session.Session) {
			other := same(t, f, s)
			aside(s)
			require.NoError(t, s.SignIn(ctx, "ada"))
			require.NoError(t, other.Set("bobs", 2))
			require.NoError(t, other.SetLabel("bob's again"))
			require.NoError(t, other.Flush(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, st := onStage(t, session.Config{})
			s := signedIn(t, f, "bob")
			require.NoError(t, s.Set("bobs", 1))
			require.NoError(t, s.SetLabel("bob's"))
			require.NoError(t, s.SetTimeouts(session.Timeouts{Idle: 20 * time.Hour, Lifetime: 90 * 24 * time.Hour}))
			require.NoError(t, s.Flush(ctx))
			handle := s.Handle()
			s = same(t, f, s)
			require.NoError(t, s.Set("pending", 1))
			do(f, st, s)
			require.NoError(t, s.Set("after", 1))
			require.NoError(t, s.Flush(ctx))
			for _, s := range []*session.Session{s, same(t, f, s)} {
				require.Equal(t, "ada", s.Subject())
				require.Equal(t, map[string]any{"after": 1.}, values(t, s))
				require.Equal(t, own, s.Info().Timeouts)
				require.NotEqual(t, handle, s.Handle())
				require.NotEmpty(t, s.Handle())
			}
			for info, err := range f.SubjectSessions(ctx, "ada") {
				require.NoError(t, err)
				require.Equal(t, "mine", info.Label)
			}
			require.Empty(t, ofSubject(t, f, "bob"))
		})
	}
}

// A process whose clock is behind does not date a sign-in before the last use of the session, which
// would let the session expire at once.
func TestSignInByAClockThatIsBehind(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	cfg := session.Config{Timeouts: session.Timeouts{Idle: time.Hour, Lifetime: time.Hour}}
	right := factory(t, cfg, store)
	behind := sessiontest.NewClock()
	behind.Advance(-2 * time.Hour)
	cfg.Now = behind.Now
	late := factory(t, cfg, shared{store})
	s := stored(t, right, map[string]any{"x": 1})
	mine := same(t, late, s)
	require.NoError(t, mine.Set("y", 1))
	require.NoError(t, mine.Flush(ctx))
	require.True(t, same(t, right, s).Has("y"))
	require.NoError(t, mine.SignIn(ctx, "ada"))
	require.NoError(t, mine.Flush(ctx))
	require.Equal(t, "ada", same(t, right, mine).Subject())
}

// No client learns the new ID before the checks after storing have passed.
func TestIDIsToldAfterTheChecks(t *testing.T) {
	ctx := t.Context()
	for _, known := range []bool{true, false} {
		f, st := onStage(t, session.Config{MaxPerSubject: 2})
		var told string
		var cookies []string
		if known {
			cookies = []string{stored(t, f, map[string]any{"x": 1}).ID().Reveal()}
		}
		w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			s := current(t, r)
			before, looks := s.ID(), 0
			look := func() {
				looks++
				require.Equal(t, before, s.ID())
				require.Empty(t, w.Header()["Set-Cookie"])
			}
			require.NoError(t, s.SignIn(ctx, "ada"))
			st.then("Retrieve", beforeIt(look)) // the mark of the subject
			st.then("SubjectSessions", made, beforeIt(look))
			require.NoError(t, s.Flush(ctx))
			require.Equal(t, 2, looks)
			require.NotEqual(t, before, s.ID())
			told = s.ID().Reveal()
		}, cookies...)
		require.Equal(t, told, cookieOf(w).Value)
	}
}

// DestroySubject refuses each sign-in that has begun before, in whichever process.
func TestStaleSignIn(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	elsewhere := factory(t, quiet(session.Config{}), store)
	logOut := func() { require.NoError(t, elsewhere.DestroySubject(ctx, "ada")) }
	for name, tt := range map[string]struct {
		begins bool // whether the test calls BeginSignIn
		at     string
		stale  bool
	}{
		"before all":              {false, "start", false},
		"after BeginSignIn":       {true, "begun", true},
		"before SignIn reads":     {false, "begun", false},
		"after SignIn":            {false, "called", true},
		"before it is stored":     {false, "stored", true},
		"after it is stored":      {false, "after", true},
		"begun, before stored":    {true, "stored", true},
		"after it is complete":    {true, "complete", false},
		"never":                   {true, "", false},
		"the mark can't be read":  {true, "unreadable", true},
		"another subject's":       {true, "bob", false},
		"an end of one by handle": {true, "revoke", false},
	} {
		for _, known := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				st := stage(shared{store})
				f := factory(t, quiet(session.Config{}), st)
				at := func(here string) {
					if here == tt.at {
						logOut()
					}
				}
				s := f.NewSession()
				if known {
					s = stored(t, f, map[string]any{"cart": 1})
				}
				at("start")
				var attempts []session.Attempt
				if tt.begins {
					a, err := f.BeginSignIn(ctx, "ada")
					require.NoError(t, err)
					attempts = append(attempts, a)
				}
				at("begun")
				require.NoError(t, s.SignIn(ctx, "ada", attempts...))
				at("called")
				switch tt.at {
				case "bob":
					require.NoError(t, elsewhere.DestroySubject(ctx, "bob"))
				case "revoke":
					other := signedIn(t, elsewhere, "ada")
					require.NoError(t, elsewhere.Revoke(ctx, "ada", other.Handle()))
				case "unreadable":
					st.then("Retrieve", unmade)
				}
				call := map[bool]string{true: "ChangeID", false: "Create"}[known]
				st.then(call, func(ctx context.Context, do func(context.Context) error) error {
					at("stored")
					defer at("after")
					return do(ctx)
				})
				err := s.Flush(ctx)
				at("complete")
				if !tt.stale {
					require.NoError(t, err)
					require.Equal(t, tt.at != "complete", isAlive(t, f, s))
					logOut()
					return
				}
				require.ErrorIs(t, err, session.ErrStaleSignIn)
				require.Empty(t, s.Subject())
				require.Empty(t, ofSubject(t, elsewhere, "ada"))
				n := 0
				for range f.Sessions(ctx) {
					n++
				}
				require.Zero(t, n, "the refused sign-in must leave no session")

				require.NoError(t, s.SignIn(ctx, "ada"), "another attempt")
				require.NoError(t, s.Flush(ctx))
				require.True(t, isAlive(t, f, s))
				logOut()
			})
		}
	}
}

// A request that changes the password, ends the other sessions and signs in calls BeginSignIn after
// DestroyOthers.
func TestSignInAfterTheEnding(t *testing.T) {
	ctx := t.Context()
	f, st := onStage(t, session.Config{})
	s := signedIn(t, f, "ada")
	signedIn(t, f, "ada")
	require.NoError(t, s.DestroyOthers(ctx))
	attempt, err := f.BeginSignIn(ctx, "ada")
	require.NoError(t, err)
	st.took()
	require.NoError(t, s.SignIn(ctx, "ada", attempt))
	require.NoError(t, s.Flush(ctx))
	require.Equal(t, map[string]int{"ChangeID": 1, "Retrieve": 1}, st.took())
	require.Equal(t, []string{s.Handle()}, ofSubject(t, f, "ada"))
}

// A sign-in costs two more round trips: to read the mark before and after.
func TestSignInCosts(t *testing.T) {
	ctx := t.Context()
	f, st := onStage(t, session.Config{})
	s := created(t, f)
	st.took()
	require.NoError(t, s.SignIn(ctx, "ada"))
	require.NoError(t, s.Flush(ctx))
	require.Equal(t, map[string]int{"ChangeID": 1, "Retrieve": 2}, st.took())
}

// An attempt is valid for an hour and for its subject.
func TestAttemptRefused(t *testing.T) {
	ctx := t.Context()
	f := sessiontest.New(t)
	attempt, err := f.BeginSignIn(ctx, "ada")
	require.NoError(t, err)
	calls := f.Store.TakeCalls()
	require.Equal(t, map[string]int{"Retrieve": 1}, calls, "BeginSignIn must write nothing")
	s := created(t, f.Factory)
	require.ErrorContains(t, s.SignIn(ctx, "bob", attempt), "another subject")
	require.ErrorContains(t, s.SignIn(ctx, "ada", session.Attempt{}), "not by BeginSignIn")
	require.ErrorContains(t, s.SignIn(ctx, "ada", attempt, attempt), "more than one")
	f.Clock.Advance(time.Hour + time.Second)
	require.ErrorIs(t, s.SignIn(ctx, "ada", attempt), session.ErrStaleSignIn)
	f.Clock.Advance(-3 * time.Hour)
	require.ErrorIs(t, s.SignIn(ctx, "ada", attempt), session.ErrStaleSignIn, "the attempt is from the future")
	f.Clock.Advance(2 * time.Hour)
	require.Empty(t, s.Subject())
	require.NoError(t, s.SignIn(ctx, "ada", attempt))
	for _, subject := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 256)} {
		require.Error(t, s.SignIn(ctx, subject))
		_, err := f.BeginSignIn(ctx, subject)
		require.Error(t, err)
	}
	var bad session.Attempt
	require.Error(t, bad.UnmarshalText([]byte("?")))
	require.Error(t, bad.UnmarshalBinary(make([]byte, 47)))
}

// The mark of a subject does not count as a session.
func TestSubjectMarkIsNoSession(t *testing.T) {
	ctx := t.Context()
	f, st := onStage(t, session.Config{MaxPerSubject: 1})
	s := signedIn(t, f, "ada")
	require.NoError(t, f.Revoke(ctx, "ada", s.Handle()))
	records := func() (n int) {
		for _, err := range st.Sessions(ctx) {
			require.NoError(t, err)
			n++
		}
		return n
	}
	require.Zero(t, records(), "neither seats nor Revoke may write a mark")
	require.NoError(t, f.DestroySubject(ctx, "ada"))
	require.Equal(t, 1, records())
	for range f.Sessions(ctx) {
		t.Error("Sessions() yields the mark of a subject")
	}
	require.Empty(t, ofSubject(t, f, "ada"))
	require.Empty(t, ofSubject(t, f, "subject-"))
	for key := range st.Sessions(ctx) {
		require.ErrorIs(t, f.Destroy(ctx, session.Key(key)), session.ErrNotFound)
	}
	require.Equal(t, 1, records())
}

// After Destroy, the Session refuses SignIn, and the request gets a new one.
func TestSignInAfterSignOut(t *testing.T) {
	ctx := t.Context()
	f, _ := onStage(t, session.Config{})
	s := signedIn(t, f, "ada")
	w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		mine := current(t, r)
		require.NoError(t, mine.Destroy(ctx))
		require.ErrorIs(t, mine.SignIn(ctx, "ada"), session.ErrNotFound)
		require.NoError(t, current(t, r).SignIn(ctx, "ada"))
	}, s.ID().Reveal())
	require.NotNil(t, cookieOf(w))
	require.Len(t, ofSubject(t, f, "ada"), 1)
	require.False(t, isAlive(t, f, s))
}

// A double click on the sign-in page takes one seat, however often the ID has changed.
func TestOwnSeat(t *testing.T) {
	ctx := t.Context()
	for _, refuse := range []bool{false, true} {
		for name, then := range map[string]func(*session.Session){ // what the same client does next
			"signed in":         func(*session.Session) {},
			"and changed again": func(s *session.Session) { require.NoError(t, s.ChangeID(ctx)) },
			"and changed three times": func(s *session.Session) {
				for range 3 {
					require.NoError(t, s.ChangeID(ctx))
				}
			},
			"and out again": func(s *session.Session) { require.NoError(t, s.Destroy(ctx)) },
			"and in as another": func(s *session.Session) {
				require.NoError(t, s.SignIn(ctx, "bob"))
				require.NoError(t, s.Flush(ctx))
			},
		} {
			for _, arrives := range []string{"before", "after"} {
				t.Run(name+", read "+arrives, func(t *testing.T) {
					f, _ := onStage(t, session.Config{MaxPerSubject: 1, RefuseAtMax: refuse})
					s := stored(t, f, map[string]any{"cart": 1, "factor": true})
					old, first := s.ID().Reveal(), same(t, f, s)
					click := func() {
						require.NoError(t, first.SignIn(ctx, "ada"))
						require.NoError(t, first.Flush(ctx))
						then(first)
					}
					if arrives == "after" {
						click()
					}
					w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
						mine := current(t, r)
						if arrives == "before" {
							click()
						}
						require.NoError(t, mine.Set("mine", 1))
						require.NoError(t, mine.SignIn(ctx, "ada"))
					}, old)
					require.Equal(t, http.StatusOK, w.Code)
					mine, err := f.Retrieve(ctx, session.NewID(cookieOf(w).Value))
					require.NoError(t, err)
					require.Equal(t, map[string]any{"mine": 1.}, values(t, mine))
					require.Equal(t, []string{mine.Handle()}, ofSubject(t, f, "ada"))
					if name == "signed in" {
						require.False(t, isAlive(t, f, first))
					}
				})
			}
		}
	}
}

// If the session to replace changes before it is replaced, the sign-in looks for it again.
func TestOwnSeatChangesMeanwhile(t *testing.T) {
	ctx := t.Context()
	for name, do := range map[string]func(*session.Session) error{
		"changed":    func(s *session.Session) error { _ = s.Set("x", 1); return s.Flush(ctx) },
		"renamed":    func(s *session.Session) error { return s.ChangeID(ctx) },
		"signed out": func(s *session.Session) error { return s.Destroy(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			f, st := onStage(t, session.Config{MaxPerSubject: 1, RefuseAtMax: true})
			s := created(t, f)
			old, first := s.ID().Reveal(), same(t, f, s)
			require.NoError(t, first.SignIn(ctx, "ada"))
			require.NoError(t, first.Flush(ctx))
			w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
				require.NoError(t, current(t, r).SignIn(ctx, "ada"))
				seat := same(t, f, first)
				st.then("ChangeID", beforeIt(func() { require.NoError(t, do(seat)) }))
			}, old)
			require.Equal(t, http.StatusOK, w.Code)
			s, err := f.Retrieve(ctx, session.NewID(cookieOf(w).Value))
			require.NoError(t, err)
			require.Equal(t, []string{s.Handle()}, ofSubject(t, f, "ada"))
		})
	}
}

// Even if the clocks of processes differ, the last user to sign in keeps the session.
func TestSeatsByClocksApart(t *testing.T) {
	store := memory.New(memory.Options{})
	var fs []*session.Factory
	for _, ahead := range []time.Duration{0, -5 * time.Second, 20 * time.Minute, -20 * time.Minute} {
		clock := sessiontest.NewClock()
		clock.Advance(ahead)
		fs = append(fs, factory(t, quiet(session.Config{MaxPerSubject: 2, Now: clock.Now}), shared{store}))
	}
	for i := range 12 {
		f := fs[(i*i+i/4)%len(fs)]
		s := signedIn(t, f, "ada")
		require.Contains(t, ofSubject(t, fs[0], "ada"), s.Handle(), "sign-in %d", i)
		require.LessOrEqual(t, len(ofSubject(t, fs[0], "ada")), 2)
	}
}

// If the listing lacks the session of a sign-in, the session was ended elsewhere, and no cookie is sent.
func TestSignInThatIsNotListed(t *testing.T) {
	ctx := t.Context()
	for _, refuse := range []bool{false, true} {
		f, st := onStage(t, session.Config{MaxPerSubject: 1, RefuseAtMax: refuse})
		w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			s := current(t, r)
			require.NoError(t, s.SignIn(ctx, "ada"))
			st.then("SubjectSessions", made, func(ctx context.Context, do func(context.Context) error) error {
				for key := range f.Sessions(ctx) {
					require.NoError(t, f.Destroy(ctx, key))
				}
				return do(ctx)
			})
			err := s.Flush(ctx)
			require.ErrorIs(t, err, session.ErrNotFound)
		})
		require.Nil(t, cookieOf(w))
	}
}

// A refused sign-in leaves an overtaken request overtaken: it stores nothing, and the client keeps
// the cookie of the other response.
func TestRefusedSignInOfOvertaken(t *testing.T) {
	ctx := t.Context()
	for _, race := range []bool{false, true} {
		for _, when := range []string{"before the request", "after it was read"} {
			t.Run(fmt.Sprint(when, race), func(t *testing.T) {
				f, st := onStage(t, session.Config{MaxPerSubject: 1, RefuseAtMax: true})
				s := stored(t, f, map[string]any{"x": 1})
				old, bob := s.ID().Reveal(), same(t, f, s)
				other := func() {
					require.NoError(t, bob.SignIn(ctx, "bob"))
					require.NoError(t, bob.Flush(ctx))
				}
				if when == "before the request" {
					other()
				}
				w := exchanged(f, func(w http.ResponseWriter, r *http.Request) {
					mine := current(t, r)
					if when == "after it was read" {
						other()
					}
					require.NoError(t, mine.Set("mine", 1))
					require.NoError(t, mine.SignIn(ctx, "ada"))
					if race {
						st.then("Create", beforeIt(func() { signedIn(t, f, "ada") }))
					} else {
						signedIn(t, f, "ada")
					}
					require.ErrorIs(t, mine.Flush(ctx), session.ErrTooManySessions)
					require.Empty(t, mine.Subject())
				}, old)
				require.Nil(t, cookieOf(w))
				require.True(t, isAlive(t, f, bob))
				n := 0
				for range f.Sessions(ctx) {
					n++
				}
				require.Equal(t, 2, n, "bob's session, and that of the faster sign-in")
			})
		}
	}
}

// A session that replaces another one keeps its time of creation, on which the seal depends.
func TestSealedOwnSeat(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			f := factory(t, quiet(session.Config{Secrets: []session.Secret{secret(1)}, MaxPerSubject: 3, RefuseAtMax: refuse}), memory.New(memory.Options{}))
			guest := stored(t, f, map[string]any{"cart": 1})
			clicks := []*session.Session{same(t, f, guest), same(t, f, guest)}
			for _, s := range clicks {
				time.Sleep(time.Second)
				require.NoError(t, s.SignIn(ctx, "ada"))
				require.NoError(t, s.Flush(ctx))
			}
			second := same(t, f, clicks[1])
			require.Equal(t, "ada", second.Subject())
			require.Equal(t, guest.Info().Created, second.Info().Created)
			require.Equal(t, guest.Info().Created, clicks[1].Info().Created)
			require.Len(t, ofSubject(t, f, "ada"), 1)
		})
	}
}

// DestroyOthers spares the session even if another request has changed its ID: of two clicks on
// "change password", the second does not end the session of the first.
func TestDestroyOthersSparesARenamedSession(t *testing.T) {
	ctx := t.Context()
	for name, hide := range map[string]func(driver.Store) driver.Store{
		"with both": func(s driver.Store) driver.Store { return s }, "one by one": func(s driver.Store) driver.Store { return onlyLists{s} },
		"at once": unlisted,
	} {
		t.Run(name, func(t *testing.T) {
			f := factory(t, quiet(session.Config{}), hide(memory.New(memory.Options{})))
			s, other := signedIn(t, f, "ada"), signedIn(t, f, "ada")
			second := same(t, f, s)
			require.NoError(t, s.ChangeID(ctx))
			require.NoError(t, s.ChangeID(ctx))
			require.NoError(t, second.DestroyOthers(ctx))
			same(t, f, s)
			requireGone(t, f, other)
		})
	}
}

// Destroy ends a session that can't be read, too.
func TestDestroyOfACorruptSession(t *testing.T) {
	store := memory.New(memory.Options{})
	f := factory(t, quiet(session.Config{}), store)
	s := signedIn(t, f, "ada")
	sealing := factory(t, quiet(session.Config{Secrets: []session.Secret{secret(1)}}), keep{store})
	w := exchanged(sealing, func(w http.ResponseWriter, r *http.Request) {
		mine := current(t, r)
		require.True(t, mine.IsNew(), "the record is not sealed")
		require.NoError(t, mine.Destroy(t.Context()))
	}, s.ID().Reveal())
	requireGone(t, f, s)
	require.Negative(t, cookieOf(w).MaxAge)
}

// circular is a store whose marks lead to themselves.
type circular struct{ onlyLists }

func (circular) Renamed(_ context.Context, key string) (driver.Rename, error) {
	return driver.Rename{To: key}, nil
}

// If the marks of a store lead in a circle, each call that follows them fails, and long before
// StoreTimeout.
func TestMarksInACircle(t *testing.T) {
	f := factory(t, quiet(session.Config{MaxPerSubject: 1}), circular{onlyLists{memory.New(memory.Options{})}})
	for name, do := range map[string]func(context.Context, *session.Session) error{
		"Destroy": func(ctx context.Context, s *session.Session) error { return s.Destroy(ctx) },
		"SignIn": func(ctx context.Context, s *session.Session) error {
			return errors.Join(s.SignIn(ctx, "ada"), s.Flush(ctx))
		},
	} {
		exchanged(f, func(w http.ResponseWriter, r *http.Request) {
			require.ErrorContains(t, do(r.Context(), current(t, r)), "circle", name)
		}, gone(t, f).Reveal())
	}
}

// gone returns an ID that the store does not have.
func gone(t testing.TB, f *session.Factory) session.ID {
	t.Helper()
	s := created(t, f)
	require.NoError(t, f.Destroy(context.Background(), s.Key()))
	return s.ID()
}
