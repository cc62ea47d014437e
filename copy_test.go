package session_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
	"gosession.dev/session/sessiontest"
)

// Two processes serve while everything moves: no session is lost, no update, and
// what ends stays ended.
func TestCopyBesideUse(t *testing.T) {
	const users, additions = 40, 25
	ctx := t.Context()
	src, dst := memory.New(memory.Options{}), memory.New(memory.Options{})
	processes := []*session.Factory{
		factory(t, session.Config{SweepInterval: -1}, unclosed{migrate.Prepare(dst, src)}),
		factory(t, session.Config{SweepInterval: -1}, unclosed{migrate.New(dst, src)}),
	}
	var ids [users]session.ID
	for u := range users {
		s := created(t, processes[0])
		ids[u] = s.ID()
	}

	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			id := ids[u]
			for i := range additions {
				s, err := processes[(u+i)%2].Retrieve(ctx, id)
				require.NoError(t, err, "user %d, addition %d", u, i)
				require.NoError(t, session.Update(s, "n", func(n int) int { return n + 1 }))
				if i == additions/2 {
					require.NoError(t, s.SignIn(t.Context(), fmt.Sprint("user", u)))
				}
				require.NoError(t, s.Flush(ctx))
				id = s.ID()
			}
			ids[u] = id
			if u%4 == 0 {
				s, err := processes[u/4%2].Retrieve(ctx, id)
				require.NoError(t, err)
				require.NoError(t, s.Destroy(ctx))
			}
		})
	}
	for range 3 {
		_, err := session.Copy(ctx, dst, src, session.CopyOptions{})
		require.NoError(t, err)
	}
	wg.Wait()
	stats, err := session.Copy(ctx, dst, src, session.CopyOptions{})
	require.NoError(t, err)
	require.Zero(t, stats.Left)
	for range src.Sessions(ctx) {
		t.Fatal("something is left")
	}

	after := factory(t, quiet(session.Config{SweepInterval: -1}), unclosed{dst})
	for u, id := range ids {
		s, err := after.Retrieve(ctx, id)
		if u%4 == 0 {
			require.Error(t, err, "user %d has signed out", u)
			continue
		}
		require.NoError(t, err, "user %d", u)
		n, err := session.Get[int](s, "n")
		require.NoError(t, err)
		require.Equal(t, additions, n)
		require.Equal(t, fmt.Sprint("user", u), s.Subject())
	}
}

// unclosed is a store that several factories use.
type unclosed struct{ driver.Store }

func (unclosed) Close() error { return nil }

// What can't be moved is left, an outage ends it, and it goes on where it was.
func TestCopyGoesOn(t *testing.T) {
	const sessions = 30
	ctx := t.Context()
	src, dst := memory.New(memory.Options{}), &refusing{Store: memory.New(memory.Options{})}
	f := factory(t, session.Config{SweepInterval: -1}, unclosed{src})
	for range sessions {
		created(t, f)
	}
	dst.next = []error{nil, driver.ErrTooLarge, driver.ErrTooLarge} // the first sees whether it is another store
	var last session.CopyStats
	interrupted, cancel := context.WithCancel(ctx)
	stats, err := session.Copy(interrupted, dst, src, session.CopyOptions{Parallel: 1, Progress: func(s session.CopyStats) {
		if last = s; s.Done == 10 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, session.CopyStats{Total: sessions, Done: 10, Moved: 8, Left: 2}, stats)
	require.Equal(t, stats, last)

	dst.next = []error{nil, sessiontest.ErrOutage}
	_, err = session.Copy(ctx, dst, src, session.CopyOptions{})
	require.ErrorIs(t, err, sessiontest.ErrOutage)

	stats, err = session.Copy(ctx, dst, src, session.CopyOptions{})
	require.NoError(t, err)
	require.Equal(t, stats.Total, stats.Done)
	n := 0
	for range dst.Sessions(ctx) {
		n++
	}
	require.Equal(t, sessions, n)
	stats, err = session.Copy(ctx, dst, src, session.CopyOptions{})
	require.NoError(t, err)
	require.Zero(t, stats, "there is nothing left to do")
}

// refusing is a store whose next calls of Create fail with these errors.
type refusing struct {
	driver.Store
	mu   sync.Mutex
	next []error
}

func (s *refusing) Create(ctx context.Context, r *driver.Record) error {
	s.mu.Lock()
	var err error
	if len(s.next) > 0 {
		err, s.next = s.next[0], s.next[1:]
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Store.Create(ctx, r)
}

func TestCopyUnsupported(t *testing.T) {
	store, err := cookie.Driver{}.Open("unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	_, err = session.Copy(t.Context(), store, memory.New(memory.Options{}), session.CopyOptions{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// A backend is not moved to itself, whatever it is called: nothing would be left.
func TestCopyToItself(t *testing.T) {
	for name, stores := range map[string]func(a, b driver.Store) (dst, src driver.Store){
		"the same":             func(a, _ driver.Store) (dst, src driver.Store) { return a, a },
		"out of migrate":       func(a, b driver.Store) (dst, src driver.Store) { return b, migrate.New(b, a) },
		"out of its old one":   func(a, b driver.Store) (dst, src driver.Store) { return a, migrate.New(b, a) },
		"while it is prepared": func(a, b driver.Store) (dst, src driver.Store) { return b, migrate.Prepare(b, a) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := memory.New(memory.Options{}), memory.New(memory.Options{})
			f := factory(t, session.Config{SweepInterval: -1}, unclosed{a})
			s := created(t, f)
			dst, src := stores(a, b)
			stats, err := session.Copy(t.Context(), dst, src, session.CopyOptions{})
			require.ErrorContains(t, err, "nothing was moved")
			require.Zero(t, stats)
			same(t, f, s)
		})
	}
}

// A store that never answers ends it.
func TestCopyOfDeadStores(t *testing.T) {
	for _, call := range []string{"Create", "Sessions", "Flush"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, dst := sessiontest.Wrap(t, memory.New(memory.Options{})), sessiontest.Wrap(t, memory.New(memory.Options{}))
				f := factory(t, session.Config{SweepInterval: -1}, unclosed{src})
				created(t, f)
				for _, store := range []*sessiontest.Store{src, dst} {
					store.Inject(sessiontest.Fault{Calls: []string{call}, Delay: 24 * time.Hour})
				}
				begin := time.Now()
				_, err := session.Copy(t.Context(), dst, src, session.CopyOptions{})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.LessOrEqual(t, time.Since(begin), time.Minute)
				require.NoError(t, errors.Join(src.Close(), dst.Close()))
			})
		})
	}
}

// A process that knows nothing of a move meets what that has left: a grave is no garbage,
// and what is on its way no new visitor.
func TestMarksOfMoves(t *testing.T) {
	ctx := t.Context()
	src, dst := memory.New(memory.Options{}), sessiontest.Wrap(t, memory.New(memory.Options{}))
	alone := factory(t, quiet(session.Config{SweepInterval: -1}), src)
	moving := factory(t, session.Config{SweepInterval: -1}, unclosed{migrate.New(dst, src)})

	late := created(t, alone)
	require.NoError(t, moving.Destroy(ctx, late.Key()))
	require.NoError(t, late.Set("n", 1))
	require.ErrorIs(t, late.Flush(ctx), session.ErrNotFound)
	_, err := alone.Inspect(ctx, late.Key())
	require.ErrorIs(t, err, session.ErrNotFound)

	s := created(t, alone)
	require.NoError(t, s.Set("n", 1))
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(ctx))
	dst.Inject(sessiontest.Fault{Calls: []string{"Create"}, Err: sessiontest.ErrOutage})
	other := same(t, moving, s)
	require.NoError(t, other.Set("n", 2))
	require.ErrorIs(t, other.Flush(ctx), sessiontest.ErrOutage)
	dst.Heal()
	_, err = alone.Retrieve(ctx, s.ID())
	require.ErrorContains(t, err, "on its way")
	require.NotErrorIs(t, err, session.ErrCorrupt)
	require.NotErrorIs(t, err, session.ErrNotFound)
	for info, err := range alone.SubjectSessions(ctx, "ada") {
		require.NoError(t, err)
		require.Equal(t, s.Key(), info.Key)
	}
	d, err := alone.Inspect(ctx, s.Key())
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"n": []byte("2")}, d.Values)
	moved, err := moving.Retrieve(ctx, s.ID())
	require.NoError(t, err)
	n, err := session.Get[int](moved, "n")
	require.NoError(t, err)
	require.Equal(t, 2, n)
}
