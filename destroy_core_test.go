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

// If a handler runs for longer than a mark lasts, Destroy ends the user's session, or says that
// the outcome is not known.
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
					require.ErrorContains(t, err, "may live on under a new ID")
					require.NotErrorIs(t, err, session.ErrNotFound)
					return
				}
				require.NoError(t, err)
				require.False(t, isAlive(t, f, s))
			})
		})
	}
}

// onlyLists is a store whose only optional interface is driver.SubjectLister.
type onlyLists struct{ driver.Store }

func (s onlyLists) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.Store.(driver.SubjectLister).SubjectSessions(ctx, subject)
}

// Destroy of an overtaken request never returns nil while the session lives, even if the request
// runs for longer than the mark lasts.
func TestOvertakenDestroysLate(t *testing.T) {
	for _, wait := range []time.Duration{0, 9 * time.Minute, 11 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			f, _ := onStage(t, session.Config{})
			s := created(t, f)
			old := s.ID().Reveal()
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

// phantom is a store that lists a session which it does not find.
type phantom struct{ onlyLists }

func (p phantom) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if yield(strings.Repeat("x", 43), ctx.Err()) {
			p.onlyLists.SubjectSessions(ctx, subject)(yield)
		}
	}
}

// DestroySubject gives up on a store that lists a session which it does not find.
func TestDestroySubjectEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f := factory(t, quiet(session.Config{}), phantom{onlyLists{memory.New(memory.Options{})}})
	s := signedIn(t, f, "ada")
	err := f.DestroySubject(ctx, "ada")
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "DestroySubject must give up before its context is done")
	require.ErrorContains(t, err, "lists")
	require.False(t, isAlive(t, f, s))
}

// If one process changes an ID twice at the same time, the mark leads to the change that was
// stored, even if the store keeps no marks.
func TestMarkOfConcurrentIDChanges(t *testing.T) {
	ctx := t.Context()
	st := stage(memory.New(memory.Options{}))
	f := factory(t, quiet(session.Config{}), bare{st})
	s := created(t, f)
	old := s.ID().Reveal()
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

// Destroy ends the session, whatever its ID is by then and whenever it was changed. It leaves the
// cookie of the other request alone.
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
					old, other := s.ID().Reveal(), same(t, f, s)
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
					require.ErrorIs(t, f.Destroy(ctx, session.NewID(old).Key()), session.ErrNotFound)
				})
			}
		}
	}
}

// A Destroy that got no answer can be repeated, and makes one event.
func TestDestroyWithoutAnswer(t *testing.T) {
	ctx := t.Context()
	for name, act := range map[string]act{"done": lost, "not done": unmade} {
		t.Run(name, func(t *testing.T) {
			var events []session.Event
			f, st := onStage(t, session.Config{OnEvent: func(_ context.Context, e session.Event) { events = append(events, e) }})
			s := signedIn(t, f, "ada")
			handle := s.Handle()
			events = nil
			st.then("Destroy", act)
			require.ErrorIs(t, s.Destroy(ctx), session.ErrUnavailable)
			require.NoError(t, s.Destroy(ctx))
			require.NoError(t, s.Destroy(ctx))
			require.Equal(t, []session.Event{{Kind: session.EventEnded, Handle: handle, Key: s.Key(), Subject: "ada", Reason: session.ReasonSignedOut}}, events)
			require.False(t, isAlive(t, f, s))
		})
	}
}

// Revoke and DestroySubject end a session whose ID changes meanwhile, and no other session.
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
				rename := func() { _ = s.ChangeID(ctx) } // an error if the session has ended
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

// onlyListsStaged lists through the staged store, so that a test can intercept the listing.
type onlyListsStaged struct{ onlyLists }

func (s onlyListsStaged) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	return s.Store.(driver.RenameTracker).Renamed(ctx, key)
}
