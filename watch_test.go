package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

func isClosed(c <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Whoever ends the session, and however: who waits for it learns of it, at once if
// it was this process.
func TestDone(t *testing.T) {
	const interval = 30 * time.Second
	for name, tt := range map[string]struct {
		end   func(ctx context.Context, f *session.Factory, store driver.Store, s *session.Session) error
		after time.Duration
	}{
		"sign-out in another request": {end: func(ctx context.Context, f *session.Factory, _ driver.Store, s *session.Session) error {
			other, err := f.Retrieve(ctx, s.ID())
			if err != nil {
				return err
			}
			return other.Destroy(ctx)
		}},
		"sign-out in this one": {end: func(ctx context.Context, _ *session.Factory, _ driver.Store, s *session.Session) error {
			return s.Destroy(ctx)
		}},
		"by its key": {end: func(ctx context.Context, f *session.Factory, _ driver.Store, s *session.Session) error {
			return f.Destroy(ctx, s.Key())
		}},
		"log out everywhere": {end: func(ctx context.Context, f *session.Factory, _ driver.Store, _ *session.Session) error {
			return f.DestroySubject(ctx, "ada")
		}},
		"another ID in another request": {end: func(ctx context.Context, f *session.Factory, _ driver.Store, s *session.Session) error {
			other, err := f.Retrieve(ctx, s.ID())
			if err != nil {
				return err
			}
			return other.ChangeID(ctx)
		}},
		"another process": {after: interval, end: func(ctx context.Context, _ *session.Factory, store driver.Store, s *session.Session) error {
			return store.Destroy(ctx, string(s.Key()))
		}},
		"expiry": {after: time.Hour, end: func(context.Context, *session.Factory, driver.Store, *session.Session) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				store := memory.New(memory.Options{})
				f, err := session.Config{WatchInterval: interval}.New(store)
				require.NoError(t, err)
				defer f.Close()
				s, bystander := created(t, f), created(t, f)
				require.NoError(t, s.SignIn(t.Context(), "ada"))
				require.NoError(t, s.Flush(ctx))
				done, spared := s.Done(ctx), bystander.Done(ctx)
				require.False(t, isClosed(done))
				require.NoError(t, tt.end(ctx, f, store, s))
				if tt.after > 0 {
					time.Sleep(tt.after - time.Second)
					require.False(t, isClosed(done))
					time.Sleep(2 * time.Second)
				}
				require.True(t, isClosed(done))
				require.Equal(t, tt.after == time.Hour, isClosed(spared))
				require.True(t, isClosed(s.Done(ctx)), "it stays so")
			})
		})
	}
}

// An outage ends nothing, nor does a new ID that the session itself has got; the
// context and Close do.
func TestDoneWithoutAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, quiet(session.Config{WatchInterval: time.Second}), p)
		s := created(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		done, other := s.Done(ctx), s.Done(t.Context())
		p.fail(errors.New("down"))
		time.Sleep(time.Minute)
		require.False(t, isClosed(done))
		p.intercept(nil)
		require.NoError(t, s.ChangeID(ctx))
		require.NoError(t, s.SignIn(t.Context(), "ada"))
		require.NoError(t, s.Flush(ctx))
		time.Sleep(time.Minute)
		require.False(t, isClosed(done))
		cancel()
		require.True(t, isClosed(done))
		require.False(t, isClosed(other))
		require.NoError(t, f.Close())
		require.True(t, isClosed(other))
		require.True(t, isClosed(s.Done(t.Context())), "a closed factory has nothing to wait for")
	})
}

// Waiting reads the store once an interval, and is no use of the session.
func TestDoneIsNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{WatchInterval: 10 * time.Second, SweepInterval: -1}, p)
		s := created(t, f)
		expires := s.Expires()
		done := s.Done(t.Context())
		synctest.Wait()
		p.take()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, map[string]int{"Retrieve": 6}, p.take())
		again, err := f.Retrieve(t.Context(), s.ID())
		require.NoError(t, err)
		require.Equal(t, expires, again.Expires())
		require.False(t, isClosed(done))
	})
}
