package session_test

import (
	"bytes"
	"context"
	"log/slog"
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

// told returns a Config that collects events, and a function that takes them.
func told(c session.Config) (session.Config, func() []session.Event) {
	var all []session.Event
	c.OnEvent = func(_ context.Context, e session.Event) { all = append(all, e) }
	return c, func() []session.Event {
		got := all
		all = nil
		return got
	}
}

func TestEvents(t *testing.T) {
	ctx := t.Context()
	cfg, take := told(session.Config{MaxPerSubject: 1})
	p := newProbe()
	f := factory(t, cfg, p)

	s := created(t, f)
	anonymous := s.Key()
	require.Equal(t, []session.Event{{Kind: session.EventCreated, Handle: s.Handle(), Key: anonymous}}, take())
	require.NoError(t, s.Set("n", 1))
	require.NoError(t, s.Flush(ctx))
	require.Empty(t, take(), "a change of values makes no event")

	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(ctx))
	first := s.Key()
	require.Equal(t, []session.Event{{Kind: session.EventSignedIn, Handle: s.Handle(), Key: first, OldKey: anonymous, Subject: "ada"}}, take())
	require.NoError(t, s.ChangeID(ctx))
	require.Equal(t, []session.Event{{Kind: session.EventChangedID, Handle: s.Handle(), Key: s.Key(), OldKey: first, Subject: "ada"}}, take())
	first = s.Key()

	time.Sleep(2 * time.Millisecond) // sessions of one millisecond are ordered by key
	second := created(t, f)
	unsigned := second.Key()
	require.NoError(t, second.SignIn(t.Context(), "ada"))
	require.NoError(t, second.Flush(ctx))
	require.ElementsMatch(t, []session.Event{
		{Kind: session.EventCreated, Handle: second.Handle(), Key: unsigned},
		{Kind: session.EventSignedIn, Handle: second.Handle(), Key: second.Key(), OldKey: unsigned, Subject: "ada"},
		{Kind: session.EventEnded, Handle: s.Handle(), Key: first, Subject: "ada", Reason: session.ReasonTooMany},
	}, take())

	handle := second.Handle()
	require.NoError(t, second.Destroy(ctx))
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Handle: handle, Key: second.Key(), Subject: "ada", Reason: session.ReasonSignedOut}}, take())
	require.NoError(t, second.Destroy(ctx))
	require.ErrorIs(t, f.Destroy(ctx, first), session.ErrNotFound)
	require.Empty(t, take(), "the sessions had ended before")

	third := created(t, f)
	take()
	require.NoError(t, f.Destroy(ctx, third.Key()))
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Handle: third.Handle(), Key: third.Key(), Reason: session.ReasonRevoked}}, take())

	fourth := created(t, f)
	take()
	time.Sleep(2 * time.Millisecond)
	require.NoError(t, fourth.SetTimeouts(session.Timeouts{Idle: time.Millisecond, Lifetime: time.Millisecond}))
	handle = fourth.Handle()
	require.ErrorIs(t, fourth.Flush(ctx), session.ErrNotFound)
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Handle: handle, Key: fourth.Key(), Reason: session.ReasonShortened}}, take())
}

// A sign-in that began before another one and is stored after it gets the later seat. Contexts of
// the old ID end at once.
func TestEventsOfOvertakenSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		cfg, take := told(quiet(session.Config{MaxPerSubject: 1, SweepInterval: -1, WatchInterval: time.Hour}))
		f := factory(t, cfg, newProbe())
		slow, fast := created(t, f), created(t, f)
		old, ended := slow.Key(), done(t, ctx, same(t, f, slow))
		synctest.Wait()
		require.NoError(t, slow.SignIn(t.Context(), "ada"))
		time.Sleep(time.Second)
		require.NoError(t, fast.SignIn(t.Context(), "ada"))
		require.NoError(t, fast.Flush(ctx))
		take()
		begin := time.Now()
		require.NoError(t, slow.Flush(ctx))
		require.Equal(t, []session.Event{
			{Kind: session.EventEnded, Handle: fast.Handle(), Key: fast.Key(), Subject: "ada", Reason: session.ReasonTooMany},
			{Kind: session.EventSignedIn, Handle: slow.Handle(), Key: slow.Key(), OldKey: old, Subject: "ada"},
		}, take())
		<-ended
		require.Zero(t, time.Since(begin))
	})
}

// Destroy makes one event with the stored subject, even if the first answer of the store was lost.
// Contexts of the session end at once.
func TestEventsOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		cfg, take := told(quiet(session.Config{SweepInterval: -1, WatchInterval: time.Hour}))
		store := sessiontest.Wrap(t, memory.New(memory.Options{}))
		f := factory(t, cfg, store)
		s := created(t, f)
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		require.NoError(t, s.SignIn(t.Context(), "bob"))
		handle := same(t, f, s).Handle()
		take()
		store.Inject(sessiontest.Fault{Calls: []string{"Destroy"}, Err: sessiontest.ErrOutage, AnswerLost: true})
		require.ErrorIs(t, s.Destroy(ctx), sessiontest.ErrOutage)
		require.Empty(t, take())
		store.Heal()
		require.NoError(t, s.Destroy(ctx))
		require.NoError(t, s.Destroy(ctx))
		require.Equal(t, []session.Event{{Kind: session.EventEnded, Handle: handle, Key: s.Key(), Subject: "ada", Reason: session.ReasonSignedOut}}, take())

		s = created(t, f)
		store.Inject(sessiontest.Fault{Calls: []string{"Destroy"}, Err: sessiontest.ErrOutage, Times: 1})
		require.Error(t, s.Destroy(ctx))
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		require.NoError(t, f.Destroy(ctx, s.Key()))
		take()
		require.NoError(t, s.Destroy(ctx))
		require.Empty(t, take(), "another request has ended the session")

		s = created(t, f)
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		handle = s.Handle()
		own, other := done(t, ctx, s), done(t, ctx, same(t, f, s))
		synctest.Wait()
		time.Sleep(time.Second)
		take()
		require.NoError(t, s.SetTimeouts(session.Timeouts{Idle: time.Millisecond, Lifetime: time.Millisecond}))
		begin := time.Now()
		require.ErrorIs(t, s.Flush(ctx), session.ErrNotFound)
		<-own
		<-other
		require.Zero(t, time.Since(begin))
		require.Equal(t, []session.Event{{Kind: session.EventEnded, Handle: handle, Key: s.Key(), Subject: "ada", Reason: session.ReasonShortened}}, take())
	})
}

func TestEventsOfSubject(t *testing.T) {
	ctx := t.Context()
	for name, store := range map[string]driver.Store{"one step": memory.New(memory.Options{}), "one by one": newProbe()} {
		t.Run(name, func(t *testing.T) {
			cfg, take := told(session.Config{})
			f := factory(t, cfg, store)
			s := created(t, f)
			require.NoError(t, s.SignIn(t.Context(), "ada"))
			require.NoError(t, s.Flush(ctx))
			take()
			require.NoError(t, f.DestroySubject(ctx, "ada"))
			want := session.Event{Kind: session.EventEnded, Subject: "ada", Reason: session.ReasonSubject}
			if name == "one by one" {
				want.Handle, want.Key = s.Handle(), s.Key()
			}
			require.Equal(t, []session.Event{want}, take())
		})
	}
}

// If a session is ended by its key or by an old cookie, the event has the handle and the subject
// that the session has by then.
func TestEventsOfEndingsByKey(t *testing.T) {
	ctx := t.Context()
	for name, end := range map[string]func(f *session.Factory, old *session.Session) error{
		"Factory.Destroy": func(f *session.Factory, old *session.Session) error { return f.Destroy(ctx, old.Key()) },
		"Session.Destroy": func(_ *session.Factory, old *session.Session) error { return old.Destroy(ctx) },
		"Forget": func(f *session.Factory, old *session.Session) error {
			_, err := forget(f, old.ID().Reveal())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, take := told(session.Config{})
			f := factory(t, cfg, memory.New(memory.Options{}))
			old := signedIn(t, f, "ada")
			s := same(t, f, old)
			require.NoError(t, s.SignIn(ctx, "bob"))
			require.NoError(t, s.Flush(ctx))
			require.NotEqual(t, old.Handle(), s.Handle())
			take()
			require.NoError(t, end(f, old))
			ended := take()
			require.Len(t, ended, 1)
			require.Contains(t, []session.EventReason{session.ReasonRevoked, session.ReasonSignedOut}, ended[0].Reason)
			require.Equal(t, session.Event{Kind: session.EventEnded, Handle: s.Handle(), Key: s.Key(), Subject: "bob", Reason: ended[0].Reason}, ended[0])
		})
	}
}

// A session whose record can't be read is ended all the same.
func TestEventsOfUnreadableRecords(t *testing.T) {
	ctx := t.Context()
	cfg, take := told(session.Config{})
	store := sessiontest.Wrap(t, memory.New(memory.Options{}))
	f := factory(t, cfg, store)
	s := signedIn(t, f, "ada")
	take()
	store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: driver.ErrCorrupt})
	require.NoError(t, f.Destroy(ctx, s.Key()))
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: s.Key(), Reason: session.ReasonRevoked}}, take())

	store.Heal()
	s = signedIn(t, f, "ada")
	rec, err := store.Retrieve(ctx, string(s.Key()))
	require.NoError(t, err)
	rec.Meta = []byte("garbage")
	require.NoError(t, store.Flush(ctx, rec))
	take()
	require.NoError(t, f.Destroy(ctx, s.Key()))
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: s.Key(), Subject: "ada", Reason: session.ReasonRevoked}}, take())
}

// Without OnEvent no record is read for an event.
func TestNoEventsNoReads(t *testing.T) {
	store := sessiontest.Wrap(t, memory.New(memory.Options{}))
	f := factory(t, session.Config{}, store)
	s := created(t, f)
	store.TakeCalls()
	require.NoError(t, f.Destroy(t.Context(), s.Key()))
	require.Equal(t, map[string]int{"Destroy": 1}, store.TakeCalls())
}

// If the store's key is the secret of the client, events have another key.
func TestEventsHaveNoIDs(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	store, err := cookie.Driver{}.Open("unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	f := factory(t, session.Config{OnEvent: func(ctx context.Context, e session.Event) { logger.InfoContext(ctx, "session", "event", e) }}, store)
	s := created(t, f)
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(t.Context()))
	require.Contains(t, log.String(), "event.kind=created event.handle="+s.Handle()+" event.key=")
	require.Contains(t, log.String(), `event.kind="signed in" event.handle=`+s.Handle()+" event.key="+string(s.Key()))
	require.Contains(t, log.String(), "event.subject=ada")
	require.NotContains(t, log.String(), s.ID().Reveal())
	require.NotContains(t, log.String(), "reason")
}

// If the store does not answer when the handle is read, the session is ended all the same.
func TestEventOfUnreadableSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		cfg, take := told(session.Config{SweepInterval: -1})
		p := newProbe()
		f := factory(t, quiet(cfg), p)
		s := signedIn(t, f, "ada")
		take()
		p.intercept(func(ctx context.Context, call string) error {
			if call != "Retrieve" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		require.NoError(t, f.Destroy(ctx, s.Key()))
		require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: s.Key(), Reason: session.ReasonRevoked}}, take())
	})
}

// A sign-in that is stored and then refused ends the session in which it was made, and the contexts
// that other requests have of it.
func TestEventOfRefusedSignIn(t *testing.T) {
	for name, tt := range map[string]struct {
		was    string // the user of the session before
		reason session.EventReason
	}{
		"a guest's":        {"", session.ReasonSubject},
		"the same user's":  {"ada", session.ReasonSubject},
		"another user's":   {"bob", session.ReasonSignedOut},
		"no session's yet": {"none", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				cfg, take := told(quiet(session.Config{SweepInterval: -1, WatchInterval: time.Hour}))
				st := stage(memory.New(memory.Options{}))
				f := factory(t, cfg, st)
				s := f.NewSession()
				waiting := context.Background()
				if tt.was != "none" {
					s = created(t, f)
					if tt.was != "" {
						s = signedIn(t, f, tt.was)
					}
					waiting = contextOf(t, ctx, same(t, f, s))
					requireLive(t, waiting)
				}
				handle, key := s.Handle(), s.Key()
				own := contextOf(t, ctx, s)
				synctest.Wait() // until the watcher of own has looked for the session
				require.NoError(t, s.SignIn(ctx, "ada"))
				take()
				refused := afterIt(func() { st.then("Retrieve", unmade) }) // of the subject's mark
				st.then("Create", refused)
				st.then("ChangeID", refused)
				began := time.Now()
				require.ErrorIs(t, s.Flush(ctx), session.ErrStaleSignIn)
				if tt.was == "none" {
					require.Empty(t, take())
					return
				}
				require.Equal(t, []session.Event{{Kind: session.EventEnded, Handle: handle, Key: key, Subject: tt.was, Reason: tt.reason}}, take())
				requireEnded(t, waiting, tt.reason)
				requireEnded(t, own, tt.reason)
				require.Zero(t, time.Since(began))
			})
		})
	}
}

// A sign-in ends the session of another user in which it is stored.
func TestEventsOfAnotherUsersSignIn(t *testing.T) {
	ctx := t.Context()
	for name, answer := range map[string]act{"answered": made, "answer lost": lost} {
		t.Run(name, func(t *testing.T) {
			cfg, take := told(quiet(session.Config{}))
			st := stage(memory.New(memory.Options{}))
			f := factory(t, cfg, st)
			s := signedIn(t, f, "ada")
			handle, key := s.Handle(), s.Key()
			take()
			require.NoError(t, s.SignIn(ctx, "bob"))
			st.then("ChangeID", answer)
			require.NoError(t, s.Flush(ctx))
			require.Equal(t, []session.Event{
				{Kind: session.EventEnded, Handle: handle, Key: key, Subject: "ada", Reason: session.ReasonSignedOut},
				{Kind: session.EventSignedIn, Handle: s.Handle(), Key: s.Key(), OldKey: key, Subject: "bob"},
			}, take())
		})
	}
}

// A sign-in that replaces another session of the user ends that session.
func TestEventsOfReplacedSession(t *testing.T) {
	ctx := t.Context()
	for name, answer := range map[string]act{"answered": made, "answer lost": lost} {
		t.Run(name, func(t *testing.T) {
			cfg, take := told(quiet(session.Config{MaxPerSubject: 1, RefuseAtMax: true}))
			st := stage(memory.New(memory.Options{}))
			f := factory(t, cfg, st)
			guest := created(t, f)
			first, second := same(t, f, guest), same(t, f, guest) // a double click
			require.NoError(t, first.SignIn(ctx, "ada"))
			require.NoError(t, second.SignIn(ctx, "ada"))
			require.NoError(t, second.Set("n", 1))
			require.NoError(t, first.Flush(ctx))
			handle, key := first.Handle(), first.Key()
			take()
			st.then("ChangeID", made, answer) // the first call finds that the guest's session is gone
			require.NoError(t, second.Flush(ctx))
			require.NotEqual(t, handle, second.Handle())
			require.Equal(t, []session.Event{
				{Kind: session.EventEnded, Handle: handle, Key: key, Subject: "ada", Reason: session.ReasonTooMany},
				{Kind: session.EventSignedIn, Handle: second.Handle(), Key: second.Key(), OldKey: key, Subject: "ada"},
			}, take())
		})
	}
}

// If DestroySubject ends the session of a sign-in before the sign-in is refused, its end makes
// one event.
func TestEventOfRefusedSignInThatHasEnded(t *testing.T) {
	for name, around := range map[string]func(driver.Store) driver.Store{
		"one step":   func(s driver.Store) driver.Store { return s },
		"one by one": func(s driver.Store) driver.Store { return onlyLists{s} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				cfg, take := told(quiet(session.Config{SweepInterval: -1, WatchInterval: time.Hour}))
				st := stage(memory.New(memory.Options{}))
				f := factory(t, cfg, around(st))
				guest := created(t, f)
				waiting := contextOf(t, ctx, same(t, f, guest))
				requireLive(t, waiting)
				require.NoError(t, guest.SignIn(ctx, "ada"))
				handle := guest.Handle()
				st.then("ChangeID", afterIt(func() { require.NoError(t, f.DestroySubject(ctx, "ada")) }))
				take()
				require.ErrorIs(t, guest.Flush(ctx), session.ErrStaleSignIn)
				ended := take()
				require.Len(t, ended, 1)
				want := session.Event{Kind: session.EventEnded, Subject: "ada", Reason: session.ReasonSubject}
				if name == "one by one" {
					want.Handle, want.Key = handle, ended[0].Key
				}
				require.Equal(t, want, ended[0])
				requireEnded(t, waiting, session.ReasonSubject)
			})
		})
	}
}

// A sign-in that loses the race for the last seat, and whose session can't be made anonymous
// again, ends the session.
func TestEventOfFailedDemotion(t *testing.T) {
	ctx := t.Context()
	cfg, take := told(quiet(session.Config{MaxPerSubject: 1, RefuseAtMax: true}))
	st := stage(memory.New(memory.Options{}))
	f := factory(t, cfg, st)
	guest, other := created(t, f), created(t, f)
	handle, key := guest.Handle(), guest.Key()
	require.NoError(t, guest.SignIn(ctx, "ada"))
	require.NoError(t, other.SignIn(ctx, "ada"))
	st.then("ChangeID", beforeIt(func() {
		require.NoError(t, other.Flush(ctx))
		st.then("Flush", unmade)
		take()
	}))
	require.ErrorIs(t, guest.Flush(ctx), session.ErrTooManySessions)
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Handle: handle, Key: key, Reason: session.ReasonTooMany}}, take())
}
