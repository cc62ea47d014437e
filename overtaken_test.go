package session_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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

// Requests with an ID that another request has changed.

// renamed returns a session whose ID was changed, with a value, and its old ID.
func renamed(t testing.TB, f *session.Factory) (s *session.Session, old session.ID) {
	t.Helper()
	s = created(t, f)
	require.NoError(t, s.Set("secret", 1))
	require.NoError(t, s.Flush(t.Context()))
	old = s.ID()
	require.NoError(t, s.ChangeID(t.Context()))
	return s, old
}

func post() *http.Request {
	return httptest.NewRequest("POST", "https://example.com/", strings.NewReader("a=1"))
}

// handling returns the Handler of f around a handler that calls h with its session.
func handling(t testing.TB, f *session.Factory, h func(r *http.Request, s *session.Session)) http.Handler {
	return f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { h(r, current(t, r)) }))
}

// A request was overtaken if its header arrived at most 15 s after the ID change. A request with a
// body may have been sent long before, so it was overtaken as long as the mark exists.
func TestOvertakenOrLapsed(t *testing.T) {
	chunked := func() *http.Request {
		return httptest.NewRequest("POST", "https://example.com/", struct{ io.Reader }{strings.NewReader("a=1")})
	}
	for name, tt := range map[string]struct {
		request     func() *http.Request
		after       time.Duration // from the ID change to the arrival of the header
		asksAfter   time.Duration // from that to FromContext
		isOvertaken bool
	}{
		"at once":                         {get, 0, 0, true},
		"after 15 s":                      {get, 15 * time.Second, 0, true},
		"after 16 s":                      {get, 16 * time.Second, 0, false},
		"after 14 s, FromContext late":    {get, 14 * time.Second, 9 * time.Minute, true},
		"with a body, after 16 s":         {post, 16 * time.Second, 0, true},
		"with a body, after 9 min":        {post, 9 * time.Minute, 0, true},
		"with a body, after 11 min":       {post, 11 * time.Minute, 0, false},
		"of unknown length, after 9 min":  {chunked, 9 * time.Minute, 0, true},
		"of unknown length, after 11 min": {chunked, 11 * time.Minute, 0, false},
		"a long upload":                   {post, time.Second, 9 * time.Minute, true},
	} {
		for store, make := range map[string]func(t *testing.T) driver.Store{
			"marks":    func(t *testing.T) driver.Store { return memory.New(memory.Options{}) },
			"no marks": func(t *testing.T) driver.Store { return bare{memory.New(memory.Options{})} },
		} {
			t.Run(name+"/"+store, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := factory(t, session.Config{SweepInterval: -1}, make(t))
					_, old := renamed(t, f)
					time.Sleep(tt.after)
					w := served(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						time.Sleep(tt.asksAfter)
						s := current(t, r)
						require.Equal(t, tt.isOvertaken, s.Overtaken())
						require.True(t, s.IsNew())
						require.Empty(t, s.ID())
						require.False(t, s.Has("secret"))
						require.NoError(t, s.Set("n", 1))
					})), tt.request(), old)
					require.Equal(t, 200, w.Code)
					if tt.isOvertaken {
						require.Empty(t, w.Header().Values("Set-Cookie"))
						return
					}
					require.Len(t, sentCookies(w.Header()), 1, "the cookie of a new session")
					require.NotEqual(t, old.Reveal(), sentCookies(w.Header())[0].Value)
				})
			})
		}
	}
}

// The session of an overtaken request reads as empty. Its changes are dropped, and the response
// neither sets nor clears a cookie, whatever the handler does.
func TestOvertakenChangesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		do      func(t *testing.T, r *http.Request, s *session.Session)
		dropped int64
	}{
		"reads": {func(t *testing.T, r *http.Request, s *session.Session) {
			require.Empty(t, s.Names())
			secret, err := session.Get[int](s, "secret")
			require.NoError(t, err)
			require.Zero(t, secret)
			require.Empty(t, s.Subject())
			require.Empty(t, s.Handle())
			require.Empty(t, s.Key())
		}, 0},
		"sets": {func(t *testing.T, r *http.Request, s *session.Session) { require.NoError(t, s.Set("n", 1)) }, 1},
		"updates": {func(t *testing.T, r *http.Request, s *session.Session) {
			require.NoError(t, session.Update(s, "n", func(n int) int { return n + 1 }))
		}, 1},
		"flushes": {func(t *testing.T, r *http.Request, s *session.Session) {
			require.NoError(t, s.Set("n", 1))
			require.ErrorIs(t, s.Flush(r.Context()), session.ErrNotFound)
			require.ErrorIs(t, s.Flush(r.Context()), session.ErrNotFound, "the session stays overtaken")
			require.ErrorIs(t, s.Set("n", 1), session.ErrNotFound)
			require.Same(t, s, current(t, r))
		}, 1},
		"changes the ID": {func(t *testing.T, r *http.Request, s *session.Session) {
			require.NoError(t, s.ChangeID(r.Context()))
		}, 0},
		"changes the ID of what it has set": {func(t *testing.T, r *http.Request, s *session.Session) {
			require.NoError(t, s.Set("n", 1))
			require.NoError(t, s.ChangeID(r.Context()))
		}, 1},
		"sets timeouts": {func(t *testing.T, r *http.Request, s *session.Session) {
			require.NoError(t, s.SetTimeouts(session.Timeouts{Persistent: true}))
			require.NoError(t, s.SetLabel("Firefox"))
		}, 1},
		"takes": {func(t *testing.T, r *http.Request, s *session.Session) {
			_, err := session.Take[int](r.Context(), s, "secret")
			require.ErrorIs(t, err, session.ErrNoValue)
		}, 0},
		"waits for the end": {func(t *testing.T, r *http.Request, s *session.Session) {
			<-done(t, r.Context(), s) // another request has changed the ID
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f, store := tracked(t, session.Config{})
			s, old := renamed(t, f)
			store.TakeCalls()
			dropped := f.Stats().Dropped
			w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
				require.True(t, mine.Overtaken())
				tt.do(t, r, mine)
				require.True(t, mine.Overtaken(), "the handler can ask at any time")
			}), get(), old)
			require.Equal(t, 200, w.Code)
			require.Empty(t, w.Header().Values("Set-Cookie"))
			require.Equal(t, map[string]int{"Retrieve": 1, "Renamed": 1}, store.TakeCalls(), "nothing is written")
			require.Equal(t, dropped+tt.dropped, f.Stats().Dropped)
			require.Equal(t, []session.Key{s.Key()}, keysOf(t, f))
			require.Equal(t, []string{"secret"}, same(t, f, s).Names())
		})
	}
}

// Destroy in an overtaken request ends the session under its new ID, and does not clear the client's
// cookie, which may name another session by now.
func TestOvertakenDestroys(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	signIn := func(r *http.Request) {
		require.NoError(t, current(t, r).SignIn(r.Context(), "ada"))
	}
	for name, tt := range map[string]struct {
		next   func(r *http.Request)
		signed bool
	}{
		"and returns":              {func(r *http.Request) {}, false},
		"twice":                    {func(r *http.Request) { require.NoError(t, current(t, r).Destroy(r.Context())) }, false},
		"and asks again":           {func(r *http.Request) { require.True(t, current(t, r).IsNew()) }, false},
		"and sets on the new one":  {func(r *http.Request) { require.NoError(t, current(t, r).Set("flash", "bye")) }, false},
		"and signs in":             {signIn, true},
		"twice, and then signs in": {func(r *http.Request) { require.NoError(t, current(t, r).Destroy(r.Context())); signIn(r) }, true},
		"and flushes the new one":  {func(r *http.Request) { require.ErrorIs(t, current(t, r).Flush(r.Context()), session.ErrNotFound) }, false},
		"and changes the new ID":   {func(r *http.Request) { require.NoError(t, current(t, r).ChangeID(r.Context())) }, false},
		"and takes from the new":   {func(r *http.Request) { _, _ = session.Take[int](r.Context(), current(t, r), "n") }, false},
		"and clears the new one":   {func(r *http.Request) { require.NoError(t, current(t, r).Clear()) }, false},
		"and labels the new one":   {func(r *http.Request) { require.NoError(t, current(t, r).SetLabel("x")) }, false},
		"and sets timeouts of new": {func(r *http.Request) {
			require.NoError(t, current(t, r).SetTimeouts(session.Timeouts{Persistent: true}))
		}, false},
		"and waits for the new one": {func(r *http.Request) { <-done(t, r.Context(), current(t, r)) }, false},
	} {
		for when, early := range map[string]bool{"overtaken": false, "read before the change": true} {
			t.Run(when+" "+name, func(t *testing.T) {
				s := created(t, f)
				old := s.ID()
				if !early {
					require.NoError(t, s.ChangeID(t.Context()))
				}
				w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
					if early {
						require.NoError(t, s.ChangeID(t.Context()))
					}
					require.NoError(t, mine.Destroy(r.Context()))
					tt.next(r)
				}), get(), old)
				_, err := f.Retrieve(t.Context(), s.ID())
				require.ErrorIs(t, err, session.ErrNotFound)
				cookies := sentCookies(w.Header())
				if !tt.signed {
					require.Empty(t, cookies)
					require.Empty(t, keysOf(t, f))
					return
				}
				require.Len(t, cookies, 1)
				signedIn, err := f.Retrieve(t.Context(), session.NewID(cookies[0].Value))
				require.NoError(t, err)
				require.Equal(t, "ada", signedIn.Subject())
				require.NoError(t, signedIn.Destroy(t.Context()))
			})
		}
	}
}

// SignIn in an overtaken request begins a new session, with the request's own changes and a cookie.
func TestOvertakenSignsIn(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, r *http.Request, s *session.Session){
		"at once": func(t *testing.T, r *http.Request, s *session.Session) { require.NoError(t, s.Set("own", 1)) },
		"after Get": func(t *testing.T, r *http.Request, s *session.Session) {
			require.NoError(t, s.Set("own", 1))
			s.Has("n")
		},
		"after waiting for the end": func(t *testing.T, r *http.Request, s *session.Session) {
			<-done(t, r.Context(), s)
			require.NoError(t, s.Set("own", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := tracked(t, session.Config{})
			first, old := renamed(t, f)
			w := served(handling(t, f, func(r *http.Request, s *session.Session) {
				before(t, r, s)
				require.NoError(t, s.SignIn(r.Context(), "ada"))
				require.False(t, s.Overtaken(), "its changes are stored")
			}), get(), old)
			require.Len(t, sentCookies(w.Header()), 1)
			s, err := f.Retrieve(t.Context(), session.NewID(sentCookies(w.Header())[0].Value))
			require.NoError(t, err)
			require.Equal(t, "ada", s.Subject())
			require.Equal(t, []string{"own"}, s.Names(), "no value of the session under the new ID")
			require.NotEqual(t, first.Handle(), s.Handle())
			require.True(t, same(t, f, first).Has("secret"))
		})
	}
	t.Run("after a Flush that has dropped its changes", func(t *testing.T) {
		f, _ := tracked(t, session.Config{})
		_, old := renamed(t, f)
		w := served(handling(t, f, func(r *http.Request, s *session.Session) {
			require.NoError(t, s.Set("own", 1))
			require.ErrorIs(t, s.Flush(r.Context()), session.ErrNotFound)
			require.NoError(t, s.SignIn(r.Context(), "ada"))
			require.False(t, s.Overtaken())
			require.NoError(t, s.Flush(r.Context()))
		}), get(), old)
		require.Len(t, sentCookies(w.Header()), 1)
	})
}

// If the store fails to tell whether an ID was changed, that is an outage, and not a lapsed session.
func TestTrackerFails(t *testing.T) {
	var reported error
	f, store := tracked(t, session.Config{OnError: func(w http.ResponseWriter, r *http.Request, err error) { reported = err }})
	_, old := renamed(t, f)
	store.Inject(sessiontest.Fault{Calls: []string{"Renamed"}, Err: sessiontest.ErrOutage})
	w := served(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		require.Nil(t, s)
		require.ErrorIs(t, err, session.ErrUnavailable)
		require.NotErrorIs(t, err, session.ErrNotFound)
	})), get(), old)
	require.Equal(t, 503, w.Code)
	require.Empty(t, w.Header().Values("Set-Cookie"))
	require.ErrorIs(t, reported, sessiontest.ErrOutage)
}

// A request asks the store for a mark only if a well-formed ID was not found. Others make 0, 1 or 2
// calls.
func TestMarksCostUsualRequestsNothing(t *testing.T) {
	f, store := tracked(t, session.Config{})
	id := created(t, f).ID()
	unknown := session.NewID(strings.Repeat("x", 32))
	read := func(r *http.Request, s *session.Session) { s.Has("n") }
	write := func(r *http.Request, s *session.Session) { require.NoError(t, s.Set("n", 1)) }
	for _, tt := range []struct {
		id   session.ID
		do   func(r *http.Request, s *session.Session)
		want map[string]int
	}{
		{id, nil, map[string]int{}},
		{id, read, map[string]int{"Retrieve": 1}},
		{id, write, map[string]int{"Retrieve": 1, "Flush": 1}},
		{session.ID{}, read, map[string]int{}},
		{session.ID{}, write, map[string]int{"Create": 1}},
		{session.NewID("malformed"), read, map[string]int{}},
		{session.NewID("malformed"), write, map[string]int{"Create": 1}},
		{unknown, read, map[string]int{"Retrieve": 1, "Renamed": 1}},
		{id, func(r *http.Request, s *session.Session) { require.NoError(t, s.ChangeID(r.Context())) }, map[string]int{"Retrieve": 1, "ChangeID": 1}},
	} {
		store.TakeCalls()
		served(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if tt.do != nil {
				tt.do(r, current(t, r))
			}
		})), get(), tt.id)
		require.Equal(t, tt.want, store.TakeCalls())
	}
}

// slowRename is a store that waits between the end of the old ID and the return of ChangeID.
type slowRename struct {
	driver.Store
	renamed func()
}

func (s slowRename) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	err := s.Store.ChangeID(ctx, oldKey, r)
	s.renamed()
	return err
}

// If the store keeps no marks, the process that changes the ID knows of it from the beginning of
// ChangeID.
func TestOvertakenWhileChangeIDReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inWindow := func() {}
		f := factory(t, session.Config{SweepInterval: -1}, bare{slowRename{memory.New(memory.Options{}), func() { inWindow() }}})
		s := created(t, f)
		old, done := s.ID(), make(chan bool)
		inWindow = func() {
			go func() {
				defer close(done)
				w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
					require.True(t, mine.Overtaken())
					require.NoError(t, mine.Set("n", 1))
				}), get(), old)
				require.Empty(t, w.Header().Values("Set-Cookie"))
			}()
			time.Sleep(time.Second)
		}
		require.NoError(t, s.ChangeID(t.Context()))
		<-done
	})
}

// After a ChangeID that has failed, no request counts as overtaken.
func TestFailedChangeIDOvertakesNoRequest(t *testing.T) {
	for name, store := range map[string]func() driver.Store{
		"marks":    func() driver.Store { return memory.New(memory.Options{}) },
		"no marks": func() driver.Store { return bare{memory.New(memory.Options{})} },
	} {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{SweepInterval: -1}, store())
			s := created(t, f)
			old := s.ID()
			require.NoError(t, f.Destroy(t.Context(), s.Key()))
			require.ErrorIs(t, s.ChangeID(t.Context()), session.ErrNotFound)
			w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
				require.False(t, mine.Overtaken())
				require.NoError(t, mine.Set("n", 1))
			}), post(), old)
			require.Len(t, sentCookies(w.Header()), 1)
		})
	}
}

// For ten minutes after an ID change, the old ID can end the session. It never reads or changes the
// session, or gets its cookie.
func TestOldID(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	s := created(t, f)
	require.NoError(t, s.Set("secret", 1))
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	var old []session.ID
	for range 3 {
		old = append(old, s.ID())
		require.NoError(t, s.ChangeID(t.Context()))
	}
	for _, id := range old {
		_, err := f.Retrieve(t.Context(), id)
		require.ErrorIs(t, err, session.ErrNotFound)
		for _, r := range []*http.Request{get(), post()} {
			w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
				require.Empty(t, mine.Names())
				require.Empty(t, mine.Subject())
				require.Empty(t, mine.Handle())
				require.NoError(t, mine.Set("secret", 2))
			}), r, id)
			require.Empty(t, w.Header().Values("Set-Cookie"))
		}
	}
	n, err := session.Get[int](same(t, f, s), "secret")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	served(handling(t, f, func(r *http.Request, mine *session.Session) {
		require.NoError(t, mine.Destroy(r.Context()))
	}), get(), old[0])
	requireGone(t, f, s)
}

// Of several cookies, one with the ID of a live session is preferred to one with an ID that was
// changed, and that to unknown IDs.
func TestOvertakenAmongSeveralCookies(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	s, old := renamed(t, f)
	unknown := session.NewID(strings.Repeat("x", 32))
	for _, tt := range []struct {
		ids         []session.ID
		isOvertaken bool
	}{
		{[]session.ID{old, s.ID()}, false},
		{[]session.ID{s.ID(), old}, false},
		{[]session.ID{unknown, old, session.NewID("malformed"), s.ID()}, false},
		{[]session.ID{unknown, old}, true},
		{[]session.ID{old, unknown}, true},
		{[]session.ID{session.NewID("malformed"), old}, true},
		{[]session.ID{old, session.NewID("malformed"), unknown}, true},
		{[]session.ID{unknown, unknown, unknown, unknown, old}, false},
	} {
		r := get()
		for _, id := range tt.ids {
			r.Header.Add("Cookie", "__Host-session="+id.Reveal())
		}
		w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
			require.Equal(t, tt.isOvertaken, mine.Overtaken())
		}), r, session.ID{})
		require.Empty(t, w.Header().Values("Set-Cookie"), fmt.Sprint(len(tt.ids)))
	}
}

// If the ID changes after a request has read the session, Overtaken returns true once the request has
// tried to store something.
func TestOvertakenInFlight(t *testing.T) {
	f, _ := tracked(t, session.Config{})
	s := created(t, f)
	w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
		require.NoError(t, s.ChangeID(t.Context()))
		require.NoError(t, mine.Set("n", 1))
		require.ErrorIs(t, mine.Flush(r.Context()), session.ErrNotFound)
		require.True(t, mine.Overtaken())
	}), get(), s.ID())
	require.Empty(t, w.Header().Values("Set-Cookie"))
	require.Equal(t, int64(1), f.Stats().Dropped)
}

// A sign-in whose session is gone begins a new one, with its own changes and a cookie, and OnError is
// not called. But if the session was of the same subject, it was ended on purpose, and the sign-in
// fails.
func TestSignInFindsItsSessionGone(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *session.Session){
		"by a double click": func(t *testing.T, s *session.Session) {
			require.NoError(t, s.SignIn(t.Context(), "ada"))
			require.NoError(t, s.Set("of the first", 1))
			require.NoError(t, s.Flush(t.Context()))
		},
		"by an ID change": func(t *testing.T, s *session.Session) { require.NoError(t, s.ChangeID(t.Context())) },
		"by a sign-out":   func(t *testing.T, s *session.Session) { require.NoError(t, s.Destroy(t.Context())) },
	} {
		for _, was := range []string{"", "eve", "ada"} {
			t.Run(name+" of "+was, func(t *testing.T) {
				var reported error
				f, _ := tracked(t, session.Config{OnError: func(_ http.ResponseWriter, _ *http.Request, err error) { reported = err }})
				s := created(t, f)
				if was != "" {
					s = signedIn(t, f, was)
				}
				require.NoError(t, s.Set("old", 1))
				require.NoError(t, s.Flush(t.Context()))
				w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
					require.NoError(t, mine.Set("own", 1))
					require.NoError(t, mine.SignIn(r.Context(), "ada"))
					end(t, s)
				}), get(), s.ID())
				cookies := sentCookies(w.Header())
				if was == "ada" {
					require.ErrorIs(t, reported, session.ErrNotFound)
					require.Empty(t, cookies)
					return
				}
				require.NoError(t, reported)
				require.Equal(t, 200, w.Code)
				require.Len(t, cookies, 1)
				again, err := f.Retrieve(t.Context(), session.NewID(cookies[0].Value))
				require.NoError(t, err)
				require.Equal(t, "ada", again.Subject())
				require.Subset(t, []string{"own"}, again.Names(), "no value of the session under the new ID, or of another user")
			})
		}
	}
}

// If the answer to the write of a sign-in is lost, the client still gets the new cookie and is signed
// in.
func TestLostAnswersByHTTP(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		for _, call := range []string{"Create", "ChangeID", "Flush"} {
			t.Run(fmt.Sprint(call, " ", refuse), func(t *testing.T) {
				cfg := session.Config{}
				if refuse {
					cfg.MaxPerSubject, cfg.RefuseAtMax = 1, true
				}
				f, store := tracked(t, cfg)
				var id session.ID
				if call != "Create" {
					id = created(t, f).ID()
				}
				h := handling(t, f, func(r *http.Request, s *session.Session) {
					require.NoError(t, session.Update(s, "n", func(n int) int { return n + 1 }))
					if call != "Flush" {
						require.NoError(t, s.SignIn(r.Context(), "ada"))
					}
				})
				store.Inject(sessiontest.Fault{Calls: []string{call}, Err: sessiontest.ErrOutage, AnswerLost: true, Times: 1})
				w := served(h, get(), id)
				require.Equal(t, 200, w.Code)
				if call != "Flush" {
					require.Len(t, sentCookies(w.Header()), 1)
					id = session.NewID(sentCookies(w.Header())[0].Value)
				}
				s, err := f.Retrieve(t.Context(), id)
				require.NoError(t, err)
				n, err := session.Get[int](s, "n")
				require.NoError(t, err)
				require.Equal(t, 1, n, "once")
				require.Equal(t, []session.Key{s.Key()}, keysOf(t, f), "no orphan counts for MaxPerSubject")
				require.Equal(t, 200, served(h, get(), id).Code)
			})
		}
	}
}

// If two sign-ins compete for the last session that MaxPerSubject allows, the one that is refused keeps
// its session, anonymous and under a new ID, and its client gets the cookie.
func TestRefusedSignInKeepsItsSession(t *testing.T) {
	var reported error
	f, _ := tracked(t, session.Config{MaxPerSubject: 1, RefuseAtMax: true, OnError: func(_ http.ResponseWriter, _ *http.Request, err error) { reported = err }})
	s := created(t, f)
	w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
		require.NoError(t, mine.Set("cart", 1))
		require.NoError(t, mine.SignIn(r.Context(), "ada"))
		winner := created(t, f)
		require.NoError(t, winner.SignIn(t.Context(), "ada"))
		require.NoError(t, winner.Flush(t.Context()))
		err := mine.Flush(r.Context())
		require.ErrorIs(t, err, session.ErrTooManySessions)
		require.Empty(t, mine.Subject())
		require.ErrorIs(t, mine.RequireRecent(time.Hour), session.ErrNotRecent)
	}), get(), s.ID())
	require.NoError(t, reported)
	id := s.ID()
	if cookies := sentCookies(w.Header()); len(cookies) > 0 {
		id = session.NewID(cookies[0].Value)
	}
	again, err := f.Retrieve(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, again.Subject())
	require.True(t, again.Has("cart"))
}

// A request is overtaken, too, if its session is kept in a cookie and can be revoked.
func TestOvertakenInTheCookie(t *testing.T) {
	f := clientSide(t, cookie.Options{Secrets: []session.Secret{secret(1)}, Revocations: lasting(t)})
	s, old := renamed(t, f)
	w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
		require.True(t, mine.Overtaken())
		require.False(t, mine.Has("secret"))
		require.NoError(t, mine.Set("n", 1))
	}), get(), old)
	require.Equal(t, 200, w.Code)
	require.Empty(t, sentCookies(w.Header()))
	w = served(handling(t, f, func(r *http.Request, mine *session.Session) {
		require.NoError(t, mine.Destroy(r.Context()))
	}), get(), old)
	require.Empty(t, sentCookies(w.Header()))
	requireGone(t, f, s)
}
