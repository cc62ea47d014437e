package session_test

import (
	"context"
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
)

// A handler that runs for longer than a mark lasts ends the session that its user had, or
// says that it does not know.
func TestDestroyByALongHandler(t *testing.T) {
	for name, tt := range map[string]struct {
		subject string
		before  func(*session.Session) // in the handler, after the mark is gone
		hide    func(driver.Store) driver.Store
		unknown bool
	}{
		"by handle":           {subject: "ada"},
		"found gone before":   {subject: "ada", before: func(s *session.Session) { _ = s.Set("x", 1); _ = s.Flush(context.Background()) }},
		"anonymous":           {unknown: true},
		"no marks, by handle": {subject: "ada", hide: func(s driver.Store) driver.Store { return onlyLists{s} }},
		"no marks, no lists":  {subject: "ada", hide: func(s driver.Store) driver.Store { return bare{s} }, unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				var store driver.Store = memory.New(memory.Options{})
				if tt.hide != nil {
					store = tt.hide(store)
				}
				f := factory(t, quiet(session.Config{}), store)
				s := created(t, f)
				if tt.subject != "" {
					s = signedIn(t, f, tt.subject)
				}
				mine := same(t, f, s)
				require.NoError(t, s.ChangeID(ctx))
				time.Sleep(11 * time.Minute)
				if tt.before != nil {
					tt.before(mine)
				}
				err := mine.Destroy(ctx)
				if tt.unknown {
					require.ErrorContains(t, err, "another one since")
					require.NotErrorIs(t, err, session.ErrNotFound)
					return
				}
				require.NoError(t, err)
				require.False(t, isAlive(t, f, s))
			})
		})
	}
}

// onlyLists is a store that lists the sessions of subjects, and can no more.
type onlyLists struct{ driver.Store }

func (s onlyLists) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.Store.(driver.SubjectLister).SubjectSessions(ctx, subject)
}

// A request that was overtaken and runs for longer than the mark lasts never says that the
// session has ended while it lives.
func TestOvertakenDestroysLate(t *testing.T) {
	for _, wait := range []time.Duration{0, 9 * time.Minute, 11 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			f, _ := onStage(t, session.Config{})
			s := created(t, f)
			old := string(s.ID())
			require.NoError(t, s.ChangeID(ctx))
			exchanged(f, func(w http.ResponseWriter, r *http.Request) {
				mine := current(t, r)
				require.True(t, mine.Overtaken())
				time.Sleep(wait)
				if err := mine.Destroy(ctx); err == nil {
					require.False(t, isAlive(t, f, s), "after %v", wait)
				} else {
					require.Greater(t, wait, driver.MarkLifetime)
				}
			}, old)
		})
	}
}

// phantom is a store that lists a session that it says is not there.
type phantom struct{ onlyLists }

func (p phantom) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if yield(strings.Repeat("x", 43), ctx.Err()) {
			p.onlyLists.SubjectSessions(ctx, subject)(yield)
		}
	}
}

// A store that lists what is not there does not keep DestroySubject up for ever.
func TestDestroySubjectEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	f := factory(t, quiet(session.Config{}), phantom{onlyLists{memory.New(memory.Options{})}})
	s := signedIn(t, f, "ada")
	err := f.DestroySubject(ctx, "ada")
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "it gives up by itself")
	require.ErrorContains(t, err, "lists")
	require.False(t, isAlive(t, f, s))
}

// Of two ID changes of one process at once, the mark leads to the one that was stored,
// also where the store keeps no marks.
func TestMarkOfTheFaster(t *testing.T) {
	ctx := t.Context()
	st := stage(memory.New(memory.Options{}))
	f := factory(t, quiet(session.Config{}), bare{st})
	s := created(t, f)
	old := string(s.ID())
	slow, fast := same(t, f, s), same(t, f, s)
	done := make(chan error, 1)
	st.then("ChangeID", func(ctx context.Context, do func(context.Context) error) error {
		go func() { done <- slow.ChangeID(context.Background()) }()
		return do(ctx)
	})
	require.NoError(t, fast.ChangeID(ctx))
	require.ErrorIs(t, <-done, session.ErrNotFound)
	exchanged(f, func(w http.ResponseWriter, r *http.Request) {
		require.True(t, current(t, r).Overtaken())
		require.NoError(t, current(t, r).Destroy(ctx))
	}, old)
	require.False(t, isAlive(t, f, fast))
}

// Sign-out ends the session that it was asked to end, whatever its ID is by now and
// whenever it was changed; it leaves the cookie of the other request alone.
func TestDestroyFollowsTheID(t *testing.T) {
	ctx := t.Context()
	for kind, hide := range map[string]func(driver.Store) driver.Store{
		"marks": func(s driver.Store) driver.Store { return s }, "no marks": func(s driver.Store) driver.Store { return bare{s} },
	} {
		for _, changes := range []int{0, 1, 3} {
			for _, when := range []string{"before the request", "after it was read", "during Destroy"} {
				t.Run(kind+" "+when, func(t *testing.T) {
					st := stage(memory.New(memory.Options{}))
					f := factory(t, quiet(session.Config{}), hide(st))
					s := stored(t, f, map[string]any{"x": 1})
					old, other := string(s.ID()), same(t, f, s)
					change := func() {
						for range changes {
							require.NoError(t, other.ChangeID(ctx))
						}
					}
					if when == "before the request" {
						change()
					}
					exchanged(f, func(w http.ResponseWriter, r *http.Request) {
						mine := current(t, r)
						switch when {
						case "after it was read":
							change()
						case "during Destroy":
							st.then("Destroy", beforeIt(change))
						}
						require.NoError(t, mine.Destroy(ctx))
					}, old)
					require.False(t, isAlive(t, f, other))
					require.ErrorIs(t, f.Destroy(ctx, session.ID(old).Key()), session.ErrNotFound)
				})
			}
		}
	}
}

// A Destroy without an answer can be repeated, and is an event once.
func TestDestroyWithoutAnswer(t *testing.T) {
	ctx := t.Context()
	for name, act := range map[string]act{"done": lost, "not done": unmade} {
		t.Run(name, func(t *testing.T) {
			var events []session.Event
			f, st := onStage(t, session.Config{OnEvent: func(_ context.Context, e session.Event) { events = append(events, e) }})
			s := signedIn(t, f, "ada")
			events = nil
			st.then("Destroy", act)
			require.ErrorIs(t, s.Destroy(ctx), session.ErrUnavailable)
			require.NoError(t, s.Destroy(ctx))
			require.NoError(t, s.Destroy(ctx))
			require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: s.Key(), Subject: "ada", Reason: session.ReasonSignedOut}}, events)
			require.False(t, isAlive(t, f, s))
		})
	}
}

// Revoke and DestroySubject end a session that is renamed meanwhile, and no other.
func TestRenamedWhileItIsEnded(t *testing.T) {
	ctx := t.Context()
	for name, end := range map[string]func(*session.Factory, string) error{
		"Revoke":         func(f *session.Factory, handle string) error { return f.Revoke(ctx, "ada", handle) },
		"DestroySubject": func(f *session.Factory, _ string) error { return f.DestroySubject(ctx, "ada") },
	} {
		for _, call := range []string{"SubjectSessions", "Retrieve", "Destroy"} {
			t.Run(name+" "+call, func(t *testing.T) {
				st := stage(memory.New(memory.Options{}))
				f := factory(t, quiet(session.Config{}), onlyListsStaged{onlyLists{st}})
				s, bob := signedIn(t, f, "ada"), signedIn(t, f, "bob")
				rename := func() { _ = s.ChangeID(ctx) } // if it is there still
				st.then(call, beforeIt(rename), afterIt(rename))
				require.NoError(t, end(f, s.Handle()))
				require.False(t, isAlive(t, f, s))
				require.True(t, isAlive(t, f, bob))
			})
		}
	}
	f, _ := onStage(t, session.Config{})
	bob := signedIn(t, f, "bob")
	require.ErrorIs(t, f.Revoke(ctx, "ada", bob.Handle()), session.ErrNotFound, "not hers")
	require.ErrorIs(t, f.Revoke(ctx, "bob", string(bob.Key())), session.ErrNotFound, "a key is no handle")
	require.ErrorIs(t, f.Revoke(ctx, "bob", ""), session.ErrNotFound)
	before := bob.Handle()
	require.NoError(t, bob.ChangeID(ctx))
	require.Equal(t, before, same(t, f, bob).Handle())
	require.NoError(t, f.Revoke(ctx, "bob", before))
	require.False(t, isAlive(t, f, bob))
}

// onlyListsStaged lists by the staged store, so that it can be told what happens then.
type onlyListsStaged struct{ onlyLists }

func (s onlyListsStaged) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	return s.Store.(driver.RenameTracker).Renamed(ctx, key)
}
