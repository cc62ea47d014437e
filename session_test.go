package session_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

func TestSessionKeepsWhatIsFlushed(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	require.NoError(t, s.Set("name", "Ada"))
	require.NoError(t, s.Set("langs", []string{"en", "fr"}))
	require.NoError(t, s.Delete("never there"))
	require.NoError(t, s.Flush(ctx))

	s = same(t, f, s)
	require.False(t, s.IsNew())
	require.Equal(t, []string{"langs", "name"}, s.Names())
	require.True(t, s.Has("name"))
	name, err := session.Get[string](s, "name")
	require.NoError(t, err)
	require.Equal(t, "Ada", name)

	require.NoError(t, s.Delete("name"))
	require.False(t, s.Has("name"))
	require.NoError(t, s.Flush(ctx))
	s = same(t, f, s)
	require.Equal(t, []string{"langs"}, s.Names())
	require.NoError(t, s.SignIn(t.Context(), "user:1"))
	require.NoError(t, s.Clear())
	require.NoError(t, s.Flush(ctx))
	s = same(t, f, s)
	require.Empty(t, s.Names())
	require.Equal(t, "user:1", s.Subject(), "Clear keeps the subject")
}

// Changes of a value after Set, or of one that Get returned, do not change the session.
func TestValuesAreCopies(t *testing.T) {
	s := created(t, factory(t, session.Config{}, newProbe()))
	cart := []string{"apple"}
	require.NoError(t, s.Set("cart", cart))
	cart[0] = "changed"
	got, err := session.Get[[]string](s, "cart")
	require.NoError(t, err)
	require.Equal(t, []string{"apple"}, got)
	got[0] = "changed"
	got, err = session.Get[[]string](s, "cart")
	require.NoError(t, err)
	require.Equal(t, []string{"apple"}, got)
}

// An untouched session makes no call of the store; a change makes one.
func TestFlushOnlyWhenDirty(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	f := factory(t, session.Config{}, p)
	s := created(t, f)
	require.Equal(t, map[string]int{"Create": 1}, p.take())
	for range 3 {
		require.NoError(t, s.Flush(ctx))
		_, _ = session.Get[int](s, "n")
	}
	require.Empty(t, p.take())
	require.NoError(t, s.Set("n", 1))
	require.NoError(t, s.Set("n", 2))
	require.NoError(t, s.Flush(ctx))
	require.NoError(t, s.Flush(ctx))
	require.Equal(t, map[string]int{"Flush": 1}, p.take())
}

func TestTakenIDIsDrawnAgain(t *testing.T) {
	for name, do := range map[string]func(*session.Factory) error{
		"Create": func(f *session.Factory) error { _, err := f.Create(context.Background()); return err },
		"ChangeID": func(f *session.Factory) error {
			return created(t, f).ChangeID(context.Background())
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbe()
			f := factory(t, session.Config{}, p)
			left := 3
			p.intercept(func(_ context.Context, call string) error {
				if call == name && left > 0 {
					left--
					return driver.ErrExists
				}
				return nil
			})
			require.NoError(t, do(f))
			require.Equal(t, 4, p.take()[name])

			p.fail(driver.ErrExists, name)
			require.ErrorContains(t, do(f), "Config.IDs is not random")
		})
	}
}

func TestChangeID(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	f := factory(t, session.Config{}, p)
	s := created(t, f)
	old, stale := s.ID(), same(t, f, s)
	require.NoError(t, s.Set("pending", true))
	p.take()
	require.NoError(t, s.ChangeID(ctx))
	require.Equal(t, map[string]int{"ChangeID": 1}, p.take(), "one call, the pending change in it")

	require.NotEqual(t, old.Reveal(), s.ID().Reveal())
	_, err := f.Retrieve(ctx, old)
	require.ErrorIs(t, err, session.ErrNotFound)
	require.True(t, same(t, f, s).Has("pending"))

	require.NoError(t, stale.Set("late", true))
	require.ErrorIs(t, stale.Flush(ctx), session.ErrNotFound)
	require.False(t, same(t, f, s).Has("late"))
	_, err = f.Retrieve(ctx, old)
	require.ErrorIs(t, err, session.ErrNotFound, "a late write must not restore the old ID")
}

func TestSignInChangesID(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	require.NoError(t, s.Set("cart", 3))
	require.NoError(t, s.Flush(ctx))
	anonymous := s.ID()

	require.NoError(t, s.SignIn(t.Context(), "user:42"))
	require.NoError(t, s.Flush(ctx))
	require.NotEqual(t, anonymous.Reveal(), s.ID().Reveal())
	_, err := f.Retrieve(ctx, anonymous)
	require.ErrorIs(t, err, session.ErrNotFound)
	again := same(t, f, s)
	require.Equal(t, "user:42", again.Subject())
	require.True(t, again.Has("cart"))

	for _, bad := range []string{"a\x00b", "\xff", string(make([]byte, 256))} {
		require.Error(t, s.SignIn(t.Context(), bad))
	}
	require.Equal(t, "user:42", s.Subject())
}

func TestDestroy(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	require.NoError(t, s.Set("secret", 1))
	require.NoError(t, s.Flush(ctx))
	stale := same(t, f, s)

	require.NoError(t, s.Destroy(ctx))
	require.NoError(t, s.Destroy(ctx), "the session has ended already")
	_, err := f.Retrieve(ctx, s.ID())
	require.ErrorIs(t, err, session.ErrNotFound)
	_, err = session.Get[int](s, "secret")
	require.ErrorIs(t, err, session.ErrNotFound)
	_, err = session.Pop[int](s, "secret")
	require.ErrorIs(t, err, session.ErrNotFound)
	_, err = session.Take[int](ctx, s, "secret")
	require.ErrorIs(t, err, session.ErrNotFound)

	for name, err := range map[string]error{
		"Set":         s.Set("a", 1),
		"Clear":       s.Clear(),
		"Update":      session.Update(s, "a", func(n int) int { return n }),
		"SignIn":      s.SignIn(t.Context(), "user:1"),
		"SetTimeouts": s.SetTimeouts(session.Timeouts{}),
		"Flush":       s.Flush(ctx),
		"ChangeID":    s.ChangeID(ctx),
	} {
		require.ErrorIs(t, err, session.ErrNotFound, name)
	}

	require.NoError(t, stale.Set("late", 1))
	require.ErrorIs(t, stale.Flush(ctx), session.ErrNotFound)
	_, err = f.Retrieve(ctx, s.ID())
	require.ErrorIs(t, err, session.ErrNotFound, "a late write must not bring it back")
	require.ErrorIs(t, f.Destroy(ctx, s.Key()), session.ErrNotFound)
}

// A sign-out during an outage must fail.
func TestDestroyFails(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	f := factory(t, session.Config{}, p)
	s := created(t, f)
	outage := errors.New("connection refused")
	p.fail(outage)
	require.ErrorIs(t, s.Destroy(ctx), outage)
	p.fail(nil)
	require.NoError(t, same(t, f, s).Flush(ctx))
	require.NoError(t, s.Destroy(ctx))
	_, err := f.Retrieve(ctx, s.ID())
	require.ErrorIs(t, err, session.ErrNotFound)
}

// The error of a failing store never matches ErrNotFound, and the changes are kept.
func TestOutageIsNoLogout(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	f := factory(t, session.Config{}, p)
	s := created(t, f)
	outage := errors.New("connection refused")
	p.fail(outage)
	_, err := f.Retrieve(ctx, s.ID())
	require.ErrorIs(t, err, outage)
	require.NotErrorIs(t, err, session.ErrNotFound)
	require.EqualError(t, err, "session: retrieve: connection refused")

	require.NoError(t, s.Set("kept", 1))
	err = s.Flush(ctx)
	require.EqualError(t, err, "session: flush: connection refused")
	p.fail(nil)
	require.NoError(t, s.Flush(ctx), "the next Flush tries again")
	require.True(t, same(t, f, s).Has("kept"))

	_, err = f.Create(ctx)
	require.NoError(t, err)
	p.fail(outage)
	_, err = f.Create(ctx)
	require.EqualError(t, err, "session: create: connection refused")
	require.EqualError(t, f.Ping(ctx), "session: ping: connection refused")
}

// A store that never answers costs StoreTimeout, and the error says so.
func TestStoreTimeout(t *testing.T) {
	hang := func(ctx context.Context, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{StoreTimeout: 3 * time.Second}, p)
		s := created(t, f)
		require.NoError(t, s.Set("n", 1))
		p.intercept(hang)
		for name, do := range map[string]func(context.Context) error{
			"Retrieve": func(ctx context.Context) error { _, err := f.Retrieve(ctx, s.ID()); return err },
			"Create":   func(ctx context.Context) error { _, err := f.Create(ctx); return err },
			"Flush":    s.Flush,
			"ChangeID": s.ChangeID,
			"Destroy":  s.Destroy,
			"Ping":     f.Ping,
			"SubjectSessions": func(ctx context.Context) error {
				for _, err := range f.SubjectSessions(ctx, "user:1") {
					return err
				}
				return nil
			},
		} {
			start := time.Now()
			err := do(t.Context())
			require.ErrorContains(t, err, "the store gave no answer within 3s", name)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.NotErrorIs(t, err, session.ErrNotFound, name)
			require.Equal(t, 3*time.Second, time.Since(start), name)
		}
	})
}

func TestCallersContext(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	s := created(t, f)
	require.NoError(t, s.Set("n", 1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := f.Retrieve(ctx, s.ID())
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, s.Flush(ctx), context.Canceled)
	require.NoError(t, s.Flush(context.Background()))
}

// Each step of a listing has a time limit; the time between the steps has none.
func TestListingTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newProbe()
		f := factory(t, session.Config{StoreTimeout: time.Second, SweepInterval: -1}, store)
		for range 5 {
			created(t, f)
		}
		n := 0
		for _, err := range f.Sessions(t.Context()) {
			require.NoError(t, err)
			time.Sleep(time.Minute)
			n++
		}
		require.Equal(t, 5, n)

		slow := factory(t, session.Config{StoreTimeout: time.Second, SweepInterval: -1}, slowLister{newProbe()})
		start := time.Now()
		for _, err := range slow.Sessions(t.Context()) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "no answer within 1s")
		}
		require.Equal(t, time.Second, time.Since(start))
	})
}

type slowLister struct{ driver.Store }

func (slowLister) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		<-ctx.Done()
		yield("", ctx.Err())
	}
}

func TestListing(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{}, newProbe())
	want := map[session.Key]bool{}
	for range 20 {
		want[created(t, f).Key()] = true
	}
	got := map[session.Key]bool{}
	for key, err := range f.Sessions(ctx) {
		require.NoError(t, err)
		got[key] = true
		require.NoError(t, f.Destroy(ctx, key))
	}
	require.Equal(t, want, got)
	for range f.Sessions(ctx) {
		t.Fatal("Sessions() yields after all were destroyed")
	}
}

func TestPing(t *testing.T) {
	for name, store := range map[string]driver.Store{
		"Pinger":   memory.New(memory.Options{}),
		"without":  bare{memory.New(memory.Options{})},
		"can't":    noPing{memory.New(memory.Options{})},
		"counting": newProbe(),
	} {
		require.NoError(t, factory(t, session.Config{}, store).Ping(t.Context()), name)
	}
}

type noPing struct{ driver.Store }

func (noPing) Ping(context.Context) error { return errors.ErrUnsupported }

func TestClose(t *testing.T) {
	ctx := t.Context()
	f, err := session.Open("memory", "")
	require.NoError(t, err)
	s, err := f.Create(ctx)
	require.NoError(t, err)
	require.NoError(t, s.Set("n", 1))
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	require.ErrorIs(t, f.Ping(ctx), session.ErrClosed)
	require.ErrorIs(t, s.Flush(ctx), session.ErrClosed)
	require.ErrorIs(t, s.Destroy(ctx), session.ErrClosed)
	_, err = f.Create(ctx)
	require.ErrorIs(t, err, session.ErrClosed)
	_, err = f.DeleteExpired(ctx)
	require.ErrorIs(t, err, session.ErrClosed)
}

// The goroutines of a request share its session.
func TestConcurrentUse(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				key := fmt.Sprintf("g%d", g)
				require.NoError(t, s.Set(key, i))
				require.NoError(t, session.Update(s, "sum", func(n int) int { return n + 1 }))
				_, _ = session.Get[int](s, key)
				_ = s.Names()
				if i%10 == 0 {
					require.NoError(t, s.Flush(ctx))
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.Flush(ctx))
	s = same(t, f, s)
	sum, err := session.Get[int](s, "sum")
	require.NoError(t, err)
	require.Equal(t, 8*50, sum)
	for g := range 8 {
		n, err := session.Get[int](s, fmt.Sprintf("g%d", g))
		require.NoError(t, err)
		require.Equal(t, 49, n)
	}
}

func TestSubjects(t *testing.T) {
	ctx := t.Context()
	for name, store := range map[string]driver.Store{
		"in one step": memory.New(memory.Options{}),
		"one by one":  subjectListing{memory.New(memory.Options{})},
	} {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{}, store)
			signedIn := func(subject string) *session.Session {
				s := created(t, f)
				require.NoError(t, s.SignIn(t.Context(), subject))
				require.NoError(t, s.Flush(ctx))
				return s
			}
			here, there, other := signedIn("ada"), signedIn("ada"), signedIn("bob")
			require.Equal(t, map[string]bool{here.Handle(): true, there.Handle(): true}, subjectHandles(t, f, "ada"))

			require.NoError(t, here.DestroyOthers(ctx))
			require.Equal(t, map[string]bool{here.Handle(): true}, subjectHandles(t, f, "ada"))
			require.NoError(t, f.DestroySubject(ctx, "ada"))
			require.NoError(t, f.DestroySubject(ctx, "ada"), "there is no session left")
			require.Empty(t, subjectHandles(t, f, "ada"))
			require.Equal(t, map[string]bool{other.Handle(): true}, subjectHandles(t, f, "bob"))

			require.Error(t, f.DestroySubject(ctx, ""), "the empty subject stands for all anonymous sessions")
			for _, err := range f.SubjectSessions(ctx, "") {
				require.Error(t, err)
			}
		})
	}
	f := factory(t, session.Config{}, bare{memory.New(memory.Options{})})
	require.ErrorIs(t, f.DestroySubject(ctx, "ada"), errors.ErrUnsupported)
	for _, err := range f.SubjectSessions(ctx, "ada") {
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

// subjectListing is a store that can list the sessions of a subject, and can't end them in one step.
type subjectListing struct{ driver.Store }

func (s subjectListing) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.Store.(driver.SubjectLister).SubjectSessions(ctx, subject)
}

func subjectHandles(t *testing.T, f *session.Factory, subject string) map[string]bool {
	t.Helper()
	handles := map[string]bool{}
	for info, err := range f.SubjectSessions(t.Context(), subject) {
		require.NoError(t, err)
		require.False(t, info.Created.IsZero())
		require.WithinDuration(t, time.Now(), info.LastSeen, time.Minute)
		require.True(t, info.Expires.After(time.Now()))
		handles[info.Handle] = true
	}
	return handles
}
