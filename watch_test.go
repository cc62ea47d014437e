package session_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// contextOf returns a context of s that is released at the end of the test.
func contextOf(t testing.TB, parent context.Context, s *session.Session) context.Context {
	ctx, cancel := s.Context(parent)
	t.Cleanup(cancel)
	return ctx
}

func done(t testing.TB, parent context.Context, s *session.Session) <-chan struct{} {
	return contextOf(t, parent, s).Done()
}

func requireLive(t testing.TB, ctx context.Context) {
	t.Helper()
	synctest.Wait()
	require.NoError(t, context.Cause(ctx))
}

func requireEnded(t testing.TB, ctx context.Context, why session.EventReason) {
	t.Helper()
	synctest.Wait()
	ended, ok := errors.AsType[*session.EndedError](context.Cause(ctx))
	require.True(t, ok, "%v", context.Cause(ctx))
	require.Equal(t, why, ended.Reason)
	require.ErrorIs(t, context.Cause(ctx), session.ErrNotFound)
	require.ErrorIs(t, ctx.Err(), context.Canceled)
}

// ending is a way in which the session s of ada ends.
type ending struct {
	end   func(ctx context.Context, f *session.Factory, store driver.Store, s *session.Session) error
	after time.Duration // how long it takes until the end is noticed
	why   session.EventReason
}

const watchInterval = 30 * time.Second

// elsewhere calls do with the Session of another request.
func elsewhere(do func(ctx context.Context, other *session.Session) error) func(context.Context, *session.Factory, driver.Store, *session.Session) error {
	return func(ctx context.Context, f *session.Factory, _ driver.Store, s *session.Session) error {
		other, err := f.Retrieve(ctx, s.ID())
		if err != nil {
			return err
		}
		return do(ctx, other)
	}
}

// inAnotherProcess calls do with the same session of another factory.
func inAnotherProcess(do func(ctx context.Context, other *session.Session) error) func(context.Context, *session.Factory, driver.Store, *session.Session) error {
	return func(ctx context.Context, _ *session.Factory, store driver.Store, s *session.Session) error {
		f, err := session.Config{SweepInterval: -1}.New(store)
		if err != nil {
			return err
		}
		return elsewhere(do)(ctx, f, store, s)
	}
}

func signsInAgain(ctx context.Context, s *session.Session) error {
	return errors.Join(s.SignIn(ctx, "ada"), s.Flush(ctx))
}

func shortens(ctx context.Context, s *session.Session) error {
	time.Sleep(time.Second)
	err := s.SetTimeouts(session.Timeouts{Idle: time.Millisecond, Lifetime: time.Millisecond})
	if err == nil && !errors.Is(s.Flush(ctx), session.ErrNotFound) {
		err = errors.New("it lives on")
	}
	return err
}

var endings = map[string]ending{
	"sign-out in another request": {elsewhere(func(ctx context.Context, other *session.Session) error { return other.Destroy(ctx) }), 0, session.ReasonSignedOut},
	"sign-out in this one": {func(ctx context.Context, _ *session.Factory, _ driver.Store, s *session.Session) error {
		return s.Destroy(ctx)
	}, 0, session.ReasonSignedOut},
	"by its key": {func(ctx context.Context, f *session.Factory, _ driver.Store, s *session.Session) error {
		return f.Destroy(ctx, s.Key())
	}, 0, session.ReasonRevoked},
	"by its handle": {func(ctx context.Context, f *session.Factory, _ driver.Store, s *session.Session) error {
		return f.Revoke(ctx, "ada", s.Handle())
	}, 0, session.ReasonRevoked},
	"log out everywhere": {func(ctx context.Context, f *session.Factory, _ driver.Store, _ *session.Session) error {
		return f.DestroySubject(ctx, "ada")
	}, 0, session.ReasonSubject},
	"too many": {func(ctx context.Context, f *session.Factory, _ driver.Store, _ *session.Session) error {
		time.Sleep(time.Second)
		return errors.Join(func() error {
			s, err := f.Create(ctx)
			return errors.Join(err, signsInAgain(ctx, s))
		}())
	}, 0, session.ReasonTooMany},
	"another ID in another request": {elsewhere(func(ctx context.Context, other *session.Session) error { return other.ChangeID(ctx) }), 0, session.ReasonChangedID},
	"a sign-in in another request":  {elsewhere(signsInAgain), 0, session.ReasonChangedID},
	"shortened elsewhere":           {elsewhere(shortens), 0, session.ReasonShortened},
	"shortened here": {func(ctx context.Context, _ *session.Factory, _ driver.Store, s *session.Session) error {
		return shortens(ctx, s)
	}, 0, session.ReasonShortened},
	"another process": {func(ctx context.Context, _ *session.Factory, store driver.Store, s *session.Session) error {
		return store.Destroy(ctx, string(s.Key()))
	}, watchInterval, session.ReasonUnknown},
	"another ID in another process": {inAnotherProcess(func(ctx context.Context, other *session.Session) error { return other.ChangeID(ctx) }), watchInterval, session.ReasonChangedID},
	"expiry":                        {func(context.Context, *session.Factory, driver.Store, *session.Session) error { return nil }, time.Hour, session.ReasonExpired},
}

// changesTo are all methods that would change a session.
var changesTo = map[string]func(ctx context.Context, s *session.Session) error{
	"Set":         func(_ context.Context, s *session.Session) error { return s.Set("n", 1) },
	"Update":      func(_ context.Context, s *session.Session) error { return increment(s) },
	"Clear":       func(_ context.Context, s *session.Session) error { return s.Clear() },
	"SetLabel":    func(_ context.Context, s *session.Session) error { return s.SetLabel("x") },
	"SetTimeouts": func(_ context.Context, s *session.Session) error { return s.SetTimeouts(session.Timeouts{}) },
	"ChangeID":    func(ctx context.Context, s *session.Session) error { return s.ChangeID(ctx) },
	"SignIn":      func(ctx context.Context, s *session.Session) error { return s.SignIn(ctx, "ada") },
	"Take": func(ctx context.Context, s *session.Session) error {
		_, err := session.Take[int](ctx, s, "n")
		return err
	},
	"Flush": func(ctx context.Context, s *session.Session) error { return s.Flush(ctx) },
}

// However the session ends, its context is done with the reason, at once if this process has ended
// the session. By then the session is empty and can't be changed.
func TestContext(t *testing.T) {
	for name, tt := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memory.New(memory.Options{})
				cfg := session.Config{WatchInterval: watchInterval, SweepInterval: -1}
				if tt.why == session.ReasonTooMany {
					cfg.MaxPerSubject = 1
				}
				f := factory(t, quiet(cfg), store)
				s, bystander := signedIn(t, f, "ada"), created(t, f)
				require.NoError(t, s.Set("n", 1))
				require.NoError(t, s.Flush(t.Context()))
				ctx, again, spared := contextOf(t, t.Context(), s), contextOf(t, t.Context(), s), contextOf(t, t.Context(), bystander)
				requireLive(t, ctx)
				emptied := make(chan bool, 1)
				context.AfterFunc(ctx, func() { emptied <- s.Subject() == "" && !s.Has("n") })
				require.NoError(t, tt.end(t.Context(), f, store, s))
				if tt.after > 0 {
					time.Sleep(tt.after - 2*time.Second)
					requireLive(t, ctx)
					time.Sleep(3 * time.Second)
				}
				requireEnded(t, ctx, tt.why)
				requireEnded(t, again, tt.why)
				requireEnded(t, contextOf(t, t.Context(), s), tt.why)
				require.True(t, <-emptied, "the session is empty before the context is done")
				require.Equal(t, tt.after == time.Hour, context.Cause(spared) != nil)
				for name, change := range changesTo {
					require.ErrorIs(t, change(t.Context(), s), session.ErrNotFound, name)
				}
				require.Empty(t, s.Names())
			})
		})
	}
}

// An outage ends no context, and neither does an ID change of the session itself, or a write of
// unknown outcome. The parent, the function and Close end it, each with its cause.
func TestContextWithoutAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, quiet(session.Config{WatchInterval: time.Second}), p)
		s := created(t, f)
		shutdown := errors.New("shutting down")
		parent, end := context.WithCancelCause(t.Context())
		fromParent, other := contextOf(t, parent, s), contextOf(t, t.Context(), s)
		released, release := s.Context(t.Context())
		p.fail(errors.New("down"))
		time.Sleep(time.Minute)
		requireLive(t, other)
		p.intercept(nil)
		require.NoError(t, s.ChangeID(t.Context()))
		require.NoError(t, signsInAgain(t.Context(), s))
		time.Sleep(time.Minute)
		requireLive(t, fromParent)
		end(shutdown)
		release()
		require.ErrorIs(t, context.Cause(fromParent), shutdown)
		require.ErrorIs(t, context.Cause(released), context.Canceled)
		requireLive(t, other)
		require.NoError(t, f.Close())
		require.ErrorIs(t, context.Cause(other), session.ErrClosed)
		require.ErrorIs(t, context.Cause(contextOf(t, t.Context(), s)), session.ErrClosed)
		require.Equal(t, "ada", s.Subject(), "the session has not ended")
	})
}

// A look between the store's change of the ID and its answer does not mistake the session's own new ID
// for its end.
func TestContextDuringItsOwnChangeOfTheID(t *testing.T) {
	for name, answer := range map[string]act{
		"slow": func(ctx context.Context, do func(context.Context) error) error {
			err := do(ctx)
			time.Sleep(3 * time.Second)
			return err
		},
		"lost": func(ctx context.Context, do func(context.Context) error) error {
			_ = do(ctx)
			time.Sleep(6 * time.Second)
			return ctx.Err()
		},
	} {
		for kind, wrap := range map[string]func(driver.Store) driver.Store{
			"marks":   func(st driver.Store) driver.Store { return st },
			"without": func(st driver.Store) driver.Store { return bare{st} },
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					st := stage(memory.New(memory.Options{}))
					f := factory(t, quiet(session.Config{WatchInterval: time.Second, SweepInterval: -1}), wrap(st))
					s := stored(t, f, map[string]any{"n": 1})
					ctx := contextOf(t, t.Context(), s)
					requireLive(t, ctx)
					st.then("ChangeID", answer)
					_ = s.ChangeID(t.Context())
					time.Sleep(time.Minute)
					requireLive(t, ctx)
					require.NoError(t, s.Flush(t.Context()))
					require.Equal(t, 1, got[int](t, same(t, f, s), "n"))
					require.NoError(t, f.Destroy(t.Context(), s.Key()))
					requireEnded(t, ctx, session.ReasonRevoked)
				})
			})
		}
	}
}

// If the session ends while a sign-in is pending, its context ends, and the sign-in can be stored.
func TestContextEndsBeforeASignInIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := factory(t, quiet(session.Config{SweepInterval: -1}), memory.New(memory.Options{}))
		s := created(t, f)
		ctx := contextOf(t, t.Context(), s)
		requireLive(t, ctx) // after the first look for the session
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, f.Destroy(t.Context(), s.Key()))
		requireEnded(t, ctx, session.ReasonRevoked)
		require.NoError(t, s.Flush(t.Context()))
		require.Equal(t, "ada", same(t, f, s).Subject())
		requireLive(t, contextOf(t, t.Context(), s))
	})
}

// The context of a session that is stored later ends as usual.
func TestContextOfANewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := factory(t, quiet(session.Config{SweepInterval: -1}), memory.New(memory.Options{}))
		s := f.NewSession()
		ctx := contextOf(t, t.Context(), s)
		time.Sleep(time.Hour)
		requireLive(t, ctx)
		require.NoError(t, signsInAgain(t.Context(), s))
		require.NoError(t, f.DestroySubject(t.Context(), "ada"))
		requireEnded(t, ctx, session.ReasonSubject)
	})
}

// However many contexts a session has, the factory reads it once in an interval, and that does not
// count as a use of the session.
func TestContextIsNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{WatchInterval: 10 * time.Second, SweepInterval: -1}, p)
		s := created(t, f)
		expires := s.Info().Expires
		var last context.Context
		for range 1000 { // as in a select loop
			last = contextOf(t, t.Context(), s)
		}
		synctest.Wait()
		require.Equal(t, map[string]int{"Create": 1, "Retrieve": 1}, p.take())
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, map[string]int{"Retrieve": 6}, p.take())
		require.Equal(t, expires, same(t, f, s).Info().Expires)
		requireLive(t, last)
	})
}

// A store that hangs holds up at most 32 looks at a time, and Close does not wait for it.
func TestContextsOverAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{WatchInterval: time.Second, SweepInterval: -1}, p)
		var last context.Context
		for range 1000 {
			last = contextOf(t, t.Context(), created(t, f))
		}
		synctest.Wait()
		p.take()
		p.intercept(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		time.Sleep(time.Minute)
		require.LessOrEqual(t, p.take()["Retrieve"], 60/5*32+32)
		requireLive(t, last)
		begin := time.Now()
		require.NoError(t, f.Close())
		require.Zero(t, time.Since(begin))
		require.ErrorIs(t, context.Cause(last), session.ErrClosed)
	})
}

// The resources of a context are released by its function, by its parent, and by Close.
func TestContextsAreReleased(t *testing.T) {
	f := factory(t, session.Config{SweepInterval: -1}, memory.New(memory.Options{}))
	parent, end := context.WithCancel(t.Context())
	s := created(t, f)
	_, cancel := s.Context(t.Context())
	cancel()
	goroutines := runtime.NumGoroutine()
	var cancels []context.CancelFunc
	for i := range 1000 {
		_, cancel := created(t, f).Context(parent)
		if cancels = append(cancels, cancel); i%2 == 0 {
			_, cancel = s.Context(parent)
			cancels = append(cancels, cancel)
		}
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+2 }, time.Minute, time.Millisecond, "no context may have a goroutine")
	require.Equal(t, 1001, f.Watched())
	for _, cancel := range cancels[:len(cancels)/2] {
		cancel()
	}
	end()
	require.Eventually(t, func() bool { return f.Watched() == 0 }, time.Minute, time.Millisecond)
}

// Beside many watched sessions, what happens to another one costs what it always does.
func BenchmarkStrangerChangesID(b *testing.B) {
	for _, watched := range []int{0, 100_000} {
		b.Run(fmt.Sprint(watched), func(b *testing.B) {
			f := factory(b, session.Config{SweepInterval: -1, WatchInterval: time.Hour}, memory.New(memory.Options{}))
			sessions := make([]*session.Session, watched)
			for i := range sessions {
				sessions[i] = signedIn(b, f, fmt.Sprint("user:", i))
			}
			cancels, parents := make([]context.CancelFunc, watched), make([]context.Context, watched)
			for i := range parents { // as net/http has them
				parents[i], cancels[i] = context.WithCancel(context.Background())
				defer cancels[i]()
				parents[i].Done()
			}
			before := heap()
			for i, s := range sessions {
				_, cancels[i] = s.Context(parents[i])
			}
			for retrieved(f) < int64(watched) {
				time.Sleep(time.Millisecond) // the first look at each
			}
			each := float64(heap()-before) / float64(max(watched, 1))
			s := created(b, f)
			defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the sessions, watched or not, would be most of it
			b.ResetTimer()
			for range b.N {
				if err := s.ChangeID(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(each, "B/watched")
			runtime.KeepAlive(cancels)
		})
	}
}

// retrieved returns how many records were asked for.
func retrieved(f *session.Factory) int64 { return f.Stats().Calls["Retrieve"].Count() }

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
