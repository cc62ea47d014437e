package session_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
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

// twoProcesses returns two factories over one store.
func twoProcesses(t testing.TB, around func(driver.Store) driver.Store) (a, b *session.Factory) {
	t.Helper()
	store := memory.New(memory.Options{})
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return factory(t, quiet(session.Config{SweepInterval: -1}), around(keep{store})), factory(t, quiet(session.Config{SweepInterval: -1}), around(keep{store}))
}

// marking is a store that keeps marks; keep hides that ability.
type marking struct{ driver.Store }

func inner(s driver.Store) driver.Store { return s.(keep).Store }

func (s marking) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	return inner(s.Store).(driver.RenameTracker).Renamed(ctx, key)
}

// listing is a store that lists the sessions of a subject.
type listing struct{ driver.Store }

func (s listing) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return inner(s.Store).(driver.SubjectLister).SubjectSessions(ctx, subject)
}

// markingAndListing is a store that does both.
type markingAndListing struct {
	marking
	listing
}

func (s markingAndListing) store() driver.Store { return s.marking.Store }

func (s markingAndListing) Create(ctx context.Context, r *driver.Record) error {
	return s.store().Create(ctx, r)
}
func (s markingAndListing) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	return s.store().Retrieve(ctx, key)
}
func (s markingAndListing) Flush(ctx context.Context, r *driver.Record) error {
	return s.store().Flush(ctx, r)
}
func (s markingAndListing) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.store().ChangeID(ctx, oldKey, r)
}
func (s markingAndListing) Destroy(ctx context.Context, key string) error {
	return s.store().Destroy(ctx, key)
}
func (s markingAndListing) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return s.store().Sessions(ctx)
}
func (s markingAndListing) DeleteExpired(ctx context.Context) (int, error) {
	return s.store().DeleteExpired(ctx)
}
func (s markingAndListing) Close() error { return s.store().Close() }

func requireGone(t testing.TB, f *session.Factory, s *session.Session) {
	t.Helper()
	_, err := f.Retrieve(context.Background(), s.ID())
	require.ErrorIs(t, err, session.ErrNotFound)
}

var abilities = map[string]func(driver.Store) driver.Store{
	"marks":                 func(s driver.Store) driver.Store { return marking{s} },
	"marks and a list":      func(s driver.Store) driver.Store { return markingAndListing{marking{s}, listing{s}} },
	"a list":                func(s driver.Store) driver.Store { return listing{s} },
	"no optional interface": func(s driver.Store) driver.Store { return s },
}

// Destroy ends the session after another request, of this process or another, has changed its ID
// between FromContext and Destroy.
func TestDestroyOfARenamedSession(t *testing.T) {
	for ability, around := range abilities {
		for name, renew := range map[string]func(t *testing.T, s *session.Session){
			"ID change": func(t *testing.T, s *session.Session) { require.NoError(t, s.ChangeID(t.Context())) },
			"three ID changes": func(t *testing.T, s *session.Session) {
				for range 3 {
					require.NoError(t, s.ChangeID(t.Context()))
				}
			},
			"sign-in again": func(t *testing.T, s *session.Session) {
				require.NoError(t, s.SignIn(t.Context(), "ada"))
				require.NoError(t, s.Flush(t.Context()))
			},
		} {
			for where, here := range map[string]bool{"in this process": true, "in another": false} {
				if !here && ability == "no optional interface" {
					continue // only the process that changes the ID knows
				}
				for found, flushed := range map[string]bool{"": false, ", after a Flush has found it gone": true} {
					t.Run(ability+"/"+name+" "+where+found, func(t *testing.T) {
						a, b := twoProcesses(t, around)
						s := signedIn(t, a, "ada")
						mine := same(t, a, s)
						if !here {
							s = same(t, b, s)
						}
						renew(t, s)
						if flushed {
							require.NoError(t, mine.Set("n", 1))
							require.ErrorIs(t, mine.Flush(t.Context()), session.ErrNotFound)
						}
						require.NoError(t, mine.Destroy(t.Context()))
						requireGone(t, b, s)
						require.NoError(t, mine.Destroy(t.Context()), "twice")
						require.NoError(t, s.Destroy(t.Context()), "the session has ended already")
					})
				}
			}
		}
	}
}

// If a handler has run for longer than a mark lasts, Destroy looks for the session by its handle,
// or fails.
func TestDestroyAfterTheMark(t *testing.T) {
	for ability, around := range abilities {
		for who, subject := range map[string]string{"anonymous": "", "signed in": "ada"} {
			for found, flushed := range map[string]bool{"": false, ", after a Flush has found it gone": true} {
				t.Run(ability+"/"+who+found, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						if !strings.Contains(ability, "marks") && (subject == "" || !strings.Contains(ability, "list")) {
							t.Skip("only the process that changes the ID knows")
						}
						a, b := twoProcesses(t, around)
						s := created(t, a)
						if subject != "" {
							s = signedIn(t, a, subject)
						}
						mine := same(t, b, s)
						require.NoError(t, s.ChangeID(t.Context()))
						time.Sleep(driver.MarkLifetime + time.Second)
						if flushed {
							require.NoError(t, mine.Set("n", 1))
							require.ErrorIs(t, mine.Flush(t.Context()), session.ErrNotFound)
						}
						err := mine.Destroy(t.Context())
						if subject != "" && strings.Contains(ability, "list") {
							require.NoError(t, err)
							requireGone(t, a, s)
							require.NoError(t, mine.Destroy(t.Context()), "twice")
							return
						}
						require.Error(t, err)
						require.NotErrorIs(t, err, session.ErrNotFound)
						require.NotErrorIs(t, err, session.ErrUnavailable)
						same(t, a, s)
					})
				})
			}
		}
	}
}

// Destroy of an overtaken request fails once the mark, which the request found when it read its
// session, has expired.
func TestOvertakenDestroyAfterTheMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := tracked(t, session.Config{})
		s, old := renamed(t, f)
		time.Sleep(9 * time.Minute)
		w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
			require.True(t, mine.Overtaken())
			time.Sleep(2 * time.Minute)
			require.Error(t, mine.Destroy(r.Context()), "the session lives")
		}), post(), old)
		require.Empty(t, sentCookies(w.Header()))
		same(t, f, s)
	})
}

// slowAnswers is a store whose answers arrive after some seconds.
type slowAnswers struct{ *sessiontest.Store }

func (s slowAnswers) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	r, err := s.Store.Retrieve(ctx, key)
	time.Sleep(4 * time.Second)
	return r, err
}

// The age of an answer counts from the call, because the session may change before the answer arrives.
func TestDestroyCountsFromTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sessiontest.Wrap(t, memory.New(memory.Options{}))
		f := factory(t, session.Config{SweepInterval: -1}, slowAnswers{store})
		s := created(t, f)
		go func() {
			time.Sleep(time.Second)
			_ = s.ChangeID(context.Background())
		}()
		mine := same(t, f, s)
		time.Sleep(driver.MarkLifetime - 2*time.Second)
		require.Error(t, mine.Destroy(t.Context()), "the session lives")
	})
}

// Long after it was read, a session that still has its ID is ended as usual, and can be ended twice.
func TestDestroyAfterALongTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := tracked(t, session.Config{})
		for _, s := range []*session.Session{created(t, f), signedIn(t, f, "ada")} {
			time.Sleep(11 * time.Minute)
			require.NoError(t, s.Destroy(t.Context()))
			requireGone(t, f, s)
			require.NoError(t, s.Destroy(t.Context()))
		}
	})
}

// If the store fails in the middle of Destroy, Destroy fails, the cookie stays, and Destroy can be
// tried again.
func TestDestroyFailsOnTheWay(t *testing.T) {
	for name, fault := range map[string]sessiontest.Fault{
		"at the old key":            {Calls: []string{"Destroy"}, Err: sessiontest.ErrOutage, Times: 1},
		"at the mark":               {Calls: []string{"Renamed"}, Err: sessiontest.ErrOutage, Times: 1},
		"the answer about the mark": {Calls: []string{"Renamed"}, Err: sessiontest.ErrOutage, Times: 1, AnswerLost: true},
	} {
		t.Run(name, func(t *testing.T) {
			f, store := tracked(t, session.Config{})
			s := signedIn(t, f, "ada")
			old := s.ID()
			w := served(handling(t, f, func(r *http.Request, mine *session.Session) {
				require.NoError(t, s.ChangeID(t.Context()))
				store.Inject(fault)
				require.ErrorIs(t, mine.Destroy(r.Context()), session.ErrUnavailable)
				same(t, f, s)
			}), get(), old)
			require.Empty(t, sentCookies(w.Header()))
			require.NoError(t, same(t, f, s).Destroy(t.Context()))
			requireGone(t, f, s)
		})
	}
	t.Run("the answer is lost", func(t *testing.T) {
		var events []session.Event
		f, store := tracked(t, session.Config{OnEvent: func(_ context.Context, e session.Event) {
			if e.Kind == session.EventEnded {
				events = append(events, e)
			}
		}})
		s := signedIn(t, f, "ada")
		store.Inject(sessiontest.Fault{Calls: []string{"Destroy"}, Err: sessiontest.ErrOutage, Times: 1, AnswerLost: true})
		require.ErrorIs(t, s.Destroy(t.Context()), session.ErrUnavailable)
		require.NoError(t, s.Destroy(t.Context()))
		require.Len(t, events, 1)
		requireGone(t, f, s)
	})
	t.Run("the context bounds it", func(t *testing.T) {
		f, _ := tracked(t, session.Config{})
		s := created(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, s.Destroy(ctx), context.Canceled)
		same(t, f, s)
	})
}

// Destroy of a new session makes no call of the store.
func TestDestroyOfANewSession(t *testing.T) {
	f, store := tracked(t, session.Config{})
	w := served(handling(t, f, func(r *http.Request, s *session.Session) {
		require.NoError(t, s.Set("n", 1))
		require.NoError(t, s.Destroy(r.Context()))
	}), get(), session.ID{})
	require.Empty(t, store.TakeCalls())
	require.Empty(t, sentCookies(w.Header()))
}

// Factory.Destroy follows marks, and passes only well-formed keys to the store.
func TestFactoryDestroy(t *testing.T) {
	f, store := tracked(t, session.Config{})
	s := signedIn(t, f, "ada")
	stale := s.Key()
	require.NoError(t, s.ChangeID(t.Context()))
	require.NoError(t, f.Destroy(t.Context(), stale), "a key from a list that is a few minutes old")
	requireGone(t, f, s)
	require.ErrorIs(t, f.Destroy(t.Context(), stale), session.ErrNotFound)
	require.ErrorIs(t, f.Destroy(t.Context(), s.Key()), session.ErrNotFound)

	store.TakeCalls()
	for _, key := range []session.Key{
		"", "x", "../../etc/passwd", "a\r\nflush_all\r\n", session.Key(strings.Repeat("x", 42)), session.Key(strings.Repeat("x", 44)),
		session.Key(strings.Repeat("x", 42) + " "), session.Key(strings.Repeat("x", 41) + "é"), session.Key(strings.Repeat("x", 1<<20)),
		session.Key("subject-" + strings.Repeat("x", 43)),
	} {
		require.ErrorIs(t, f.Destroy(t.Context(), key), session.ErrNotFound)
		_, _, err := f.Inspect(t.Context(), key)
		require.ErrorIs(t, err, session.ErrNotFound)
	}
	require.Empty(t, store.TakeCalls())

	store.Inject(sessiontest.Fault{Calls: []string{"Renamed"}, Err: sessiontest.ErrOutage})
	require.ErrorIs(t, f.Destroy(t.Context(), s.Key()), session.ErrUnavailable, "it may live under another key")
}

// Revoke ends the session with a handle, whatever its ID is, and only if it is the subject's.
func TestRevoke(t *testing.T) {
	f, store := tracked(t, session.Config{})
	s, others := signedIn(t, f, "ada"), signedIn(t, f, "eve")
	anonymous := created(t, f)
	stale := s.Key()
	for range 2 {
		require.NoError(t, s.ChangeID(t.Context()))
	}
	require.NotEqual(t, stale, s.Key())
	for _, handle := range []string{
		"", "x", others.Handle(), anonymous.Handle(), string(s.Key()), string(stale), s.ID().Reveal(), "../../x", "\r\n",
		s.Handle() + "=", s.Handle()[1:], strings.ToUpper(s.Handle()), strings.Repeat("x", 1<<20),
	} {
		require.ErrorIs(t, f.Revoke(t.Context(), "ada", handle), session.ErrNotFound)
	}
	require.ErrorIs(t, f.Revoke(t.Context(), "eve", s.Handle()), session.ErrNotFound, "another subject's session")
	require.ErrorIs(t, f.Revoke(t.Context(), "nobody", s.Handle()), session.ErrNotFound)
	require.Error(t, f.Revoke(t.Context(), "", anonymous.Handle()), "the empty subject stands for all visitors")
	for _, alive := range []*session.Session{s, others, anonymous} {
		same(t, f, alive)
	}

	require.NoError(t, f.Revoke(t.Context(), "ada", s.Handle()))
	requireGone(t, f, s)
	require.ErrorIs(t, f.Revoke(t.Context(), "ada", s.Handle()), session.ErrNotFound)
	same(t, f, others)

	store.Inject(sessiontest.Fault{Calls: []string{"SubjectSessions"}, Err: sessiontest.ErrOutage, Times: 1})
	require.ErrorIs(t, f.Revoke(t.Context(), "eve", others.Handle()), session.ErrUnavailable)
	store.Inject(sessiontest.Fault{Calls: []string{"Destroy"}, Err: sessiontest.ErrOutage, Times: 1})
	require.ErrorIs(t, f.Revoke(t.Context(), "eve", others.Handle()), session.ErrUnavailable)
	same(t, f, others)

	unlisted := factory(t, session.Config{}, bare{memory.New(memory.Options{})})
	require.ErrorIs(t, unlisted.Revoke(t.Context(), "ada", s.Handle()), errors.ErrUnsupported)
}

// renaming is a store that changes the ID of a session between its listing and its end.
type renaming struct {
	*sessiontest.Store
	destroying func()
}

func (s *renaming) Destroy(ctx context.Context, key string) error {
	s.destroying()
	return s.Store.Destroy(ctx, key)
}

func TestRevokeMeetsIDChanges(t *testing.T) {
	store := &renaming{sessiontest.Wrap(t, memory.New(memory.Options{})), func() {}}
	f := factory(t, session.Config{SweepInterval: -1}, store)
	s, times := signedIn(t, f, "ada"), 3
	store.destroying = func() {
		if times--; times >= 0 {
			require.NoError(t, s.ChangeID(t.Context()))
		}
	}
	require.NoError(t, f.Revoke(t.Context(), "ada", s.Handle()))
	requireGone(t, f, s)
}

// undestroyable is a store that breaks the contract: Destroy says ErrNotFound for a session that the store lists and finds.
type undestroyable struct{ *sessiontest.Store }

func (undestroyable) Destroy(context.Context, string) error { return driver.ErrNotFound }

// Revoke gives up after rounds that have changed nothing.
func TestRevokeGivesUp(t *testing.T) {
	f := factory(t, session.Config{SweepInterval: -1}, undestroyable{sessiontest.Wrap(t, memory.New(memory.Options{}))})
	s := signedIn(t, f, "ada")
	err := f.Revoke(t.Context(), "ada", s.Handle())
	require.Error(t, err)
	require.NotErrorIs(t, err, session.ErrNotFound, "the session lives")
}

// Every failure of a store matches ErrUnavailable, and nothing else does.
func TestErrUnavailable(t *testing.T) {
	f, store := tracked(t, session.Config{Secrets: []session.Secret{secret(1)}})
	ctx := t.Context()
	calls := func(s *session.Session) map[string]func(ctx context.Context) error {
		return map[string]func(ctx context.Context) error{
			"Create":   func(ctx context.Context) error { _, err := f.Create(ctx); return err },
			"Retrieve": func(ctx context.Context) error { _, err := f.Retrieve(ctx, s.ID()); return err },
			"Flush": func(ctx context.Context) error {
				return errors.Join(s.Set("n", 1), s.Flush(ctx))
			},
			"ChangeID":        s.ChangeID,
			"Destroy":         s.Destroy,
			"Factory.Destroy": func(ctx context.Context) error { return f.Destroy(ctx, s.Key()) },
			"Revoke":          func(ctx context.Context) error { return f.Revoke(ctx, "ada", s.Handle()) },
			"Inspect":         func(ctx context.Context) error { _, _, err := f.Inspect(ctx, s.Key()); return err },
			"DestroySubject":  func(ctx context.Context) error { return f.DestroySubject(ctx, "ada") },
			"SignIn":          func(ctx context.Context) error { return s.SignIn(ctx, "ada") },
			"BeginSignIn":     func(ctx context.Context) error { _, err := f.BeginSignIn(ctx, "ada"); return err },
			"Ping":            f.Ping,
			"DeleteExpired":   func(ctx context.Context) error { _, err := f.DeleteExpired(ctx); return err },
			"Reseal":          func(ctx context.Context) error { _, err := f.Reseal(ctx); return err },
			"Take": func(ctx context.Context) error {
				_, err := session.Take[int](ctx, s, "taken")
				return err
			},
			"Sessions": func(ctx context.Context) error {
				for _, err := range f.Sessions(ctx) {
					return err
				}
				return nil
			},
			"SubjectSessions": func(ctx context.Context) error {
				for _, err := range f.SubjectSessions(ctx, "ada") {
					return err
				}
				return nil
			},
		}
	}
	stored := func() *session.Session {
		store.Heal()
		s := signedIn(t, f, "ada")
		require.NoError(t, s.Set("taken", 1))
		require.NoError(t, s.Flush(ctx))
		return s
	}
	for name := range calls(stored()) {
		t.Run(name, func(t *testing.T) {
			call := calls(stored())[name]
			store.Inject(sessiontest.Fault{Err: sessiontest.ErrOutage})
			err := call(ctx)
			require.ErrorIs(t, err, session.ErrUnavailable)
			require.ErrorIs(t, err, sessiontest.ErrOutage)

			call = calls(stored())[name]
			store.Inject(sessiontest.Fault{Err: errors.Join(driver.ErrTooLarge, errors.New("2 MB"))})
			require.NotErrorIs(t, call(ctx), session.ErrUnavailable)

			call = calls(stored())[name]
			done, cancel := context.WithCancel(ctx)
			cancel()
			err = call(done)
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, session.ErrUnavailable, "the caller's context is done")
		})
	}
	t.Run("no answer in time", func(t *testing.T) {
		for name := range calls(stored()) {
			synctest.Test(t, func(t *testing.T) {
				slow := sessiontest.Wrap(t, memory.New(memory.Options{}))
				f = factory(t, session.Config{SweepInterval: -1, StoreTimeout: time.Second, Secrets: []session.Secret{secret(1)}}, slow)
				store = slow
				call := calls(stored())[name]
				slow.Inject(sessiontest.Fault{Delay: time.Hour})
				if name == "DeleteExpired" {
					return // sweeps are not bounded
				}
				err := call(t.Context())
				require.ErrorIs(t, err, session.ErrUnavailable, name)
				require.ErrorIs(t, err, context.DeadlineExceeded, name)
			})
		}
	})
	t.Run("answers", func(t *testing.T) {
		f, store := tracked(t, session.Config{})
		s := signedIn(t, f, "ada")
		for name, err := range map[string]error{
			"unknown":       func() error { _, err := f.Retrieve(ctx, session.NewID(strings.Repeat("x", 32))); return err }(),
			"no value":      func() error { _, err := session.Take[int](ctx, s, "none"); return err }(),
			"no middleware": func() error { _, err := session.FromContext(ctx); return err }(),
			"not recent":    created(t, f).RequireRecent(time.Hour),
			"bad subject":   s.SignIn(ctx, "\xff"),
			"conflicts": func() error {
				store.Inject(sessiontest.Fault{Calls: []string{"Flush"}, Err: driver.ErrConflict})
				defer store.Heal()
				short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
				defer cancel()
				return errors.Join(s.Set("n", 1), s.Flush(short))
			}(),
		} {
			require.Error(t, err, name)
			require.NotErrorIs(t, err, session.ErrUnavailable, name)
		}
		require.NoError(t, f.Close())
		for name, err := range map[string]error{
			"Retrieve": func() error { _, err := f.Retrieve(ctx, s.ID()); return err }(),
			"Ping":     f.Ping(ctx),
			"Destroy":  s.Destroy(ctx),
		} {
			require.ErrorIs(t, err, session.ErrClosed, name)
			require.NotErrorIs(t, err, session.ErrUnavailable, name)
		}
	})
}
