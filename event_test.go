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

// told returns a Config that keeps the events.
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
	require.Equal(t, []session.Event{{Kind: session.EventCreated, Key: anonymous}}, take())
	require.NoError(t, s.Set("n", 1))
	require.NoError(t, s.Flush(ctx))
	require.Empty(t, take(), "what is in a session is no event")

	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(ctx))
	first := s.Key()
	require.Equal(t, []session.Event{{Kind: session.EventChangedID, Key: first, OldKey: anonymous, Subject: "ada"}}, take())

	time.Sleep(2 * time.Millisecond) // sessions of one millisecond are ordered by key
	second := created(t, f)
	unsigned := second.Key()
	require.NoError(t, second.SignIn(t.Context(), "ada"))
	require.NoError(t, second.Flush(ctx))
	require.ElementsMatch(t, []session.Event{
		{Kind: session.EventCreated, Key: unsigned},
		{Kind: session.EventChangedID, Key: second.Key(), OldKey: unsigned, Subject: "ada"},
		{Kind: session.EventEnded, Key: first, Subject: "ada", Reason: session.ReasonTooMany},
	}, take())

	require.NoError(t, second.Destroy(ctx))
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: second.Key(), Subject: "ada", Reason: session.ReasonSignedOut}}, take())
	require.NoError(t, second.Destroy(ctx))
	require.ErrorIs(t, f.Destroy(ctx, first), session.ErrNotFound)
	require.Empty(t, take(), "what had ended ends no more")

	third := created(t, f)
	take()
	require.NoError(t, f.Destroy(ctx, third.Key()))
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: third.Key(), Reason: session.ReasonRevoked}}, take())

	fourth := created(t, f)
	take()
	time.Sleep(2 * time.Millisecond)
	require.NoError(t, fourth.SetTimeouts(session.Timeouts{Idle: time.Millisecond, Lifetime: time.Millisecond}))
	require.ErrorIs(t, fourth.Flush(ctx), session.ErrNotFound)
	require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: fourth.Key(), Reason: session.ReasonShortened}}, take())
}

// A sign-in that began before another and is stored after it takes the later seat. What
// waits for the old ID learns of it at once.
func TestEventsOfOvertakenSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		cfg, take := told(quiet(session.Config{MaxPerSubject: 1, SweepInterval: -1, WatchInterval: time.Hour}))
		f := factory(t, cfg, newProbe())
		slow, fast := created(t, f), created(t, f)
		old, done := slow.Key(), same(t, f, slow).Done(ctx)
		synctest.Wait()
		require.NoError(t, slow.SignIn(t.Context(), "ada"))
		time.Sleep(time.Second)
		require.NoError(t, fast.SignIn(t.Context(), "ada"))
		require.NoError(t, fast.Flush(ctx))
		take()
		begin := time.Now()
		require.NoError(t, slow.Flush(ctx))
		require.Equal(t, []session.Event{
			{Kind: session.EventEnded, Key: fast.Key(), Subject: "ada", Reason: session.ReasonTooMany},
			{Kind: session.EventChangedID, Key: slow.Key(), OldKey: old, Subject: "ada"},
		}, take())
		<-done
		require.Zero(t, time.Since(begin))
	})
}

// The end is told with the subject that was stored, and once, also if the first answer
// of the store was lost. Who waits for it learns of it at once, whatever its reason.
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
		take()
		store.Inject(sessiontest.Fault{Calls: []string{"Destroy"}, Err: sessiontest.ErrOutage, AnswerLost: true})
		require.ErrorIs(t, s.Destroy(ctx), sessiontest.ErrOutage)
		require.Empty(t, take())
		store.Heal()
		require.NoError(t, s.Destroy(ctx))
		require.NoError(t, s.Destroy(ctx))
		require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: s.Key(), Subject: "ada", Reason: session.ReasonSignedOut}}, take())

		s = created(t, f)
		store.Inject(sessiontest.Fault{Calls: []string{"Destroy"}, Err: sessiontest.ErrOutage, Times: 1})
		require.Error(t, s.Destroy(ctx))
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		require.NoError(t, f.Destroy(ctx, s.Key()))
		take()
		require.NoError(t, s.Destroy(ctx))
		require.Empty(t, take(), "it lived on, and somebody else has ended it")

		s = created(t, f)
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		own, other := s.Done(ctx), same(t, f, s).Done(ctx)
		synctest.Wait()
		time.Sleep(time.Second)
		take()
		require.NoError(t, s.SetTimeouts(session.Timeouts{Idle: time.Millisecond, Lifetime: time.Millisecond}))
		begin := time.Now()
		require.ErrorIs(t, s.Flush(ctx), session.ErrNotFound)
		<-own
		<-other
		require.Zero(t, time.Since(begin))
		require.Equal(t, []session.Event{{Kind: session.EventEnded, Key: s.Key(), Subject: "ada", Reason: session.ReasonShortened}}, take())
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
				want.Key = s.Key()
			}
			require.Equal(t, []session.Event{want}, take())
		})
	}
}

// Where the store's key is the client's secret, an event has another.
func TestEventsHaveNoIDs(t *testing.T) {
	var log bytes.Buffer
	store, err := cookie.Driver{}.Open("unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	f := factory(t, session.Config{OnEvent: session.LogEvents(slog.New(slog.NewTextHandler(&log, nil)))}, store)
	s := created(t, f)
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(t.Context()))
	require.Contains(t, log.String(), "event.kind=created event.key=")
	require.Contains(t, log.String(), `event.kind="changed ID" event.key=`+string(s.Key()))
	require.Contains(t, log.String(), "event.subject=ada")
	require.NotContains(t, log.String(), string(s.ID()))
	require.NotContains(t, log.String(), "reason")
}
