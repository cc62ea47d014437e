package session_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

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
					require.NoError(t, s.SetSubject(fmt.Sprint("user", u)))
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
	src, dst := memory.New(memory.Options{}), sessiontest.Wrap(t, memory.New(memory.Options{}))
	f := factory(t, session.Config{SweepInterval: -1}, unclosed{src})
	for range sessions {
		created(t, f)
	}
	dst.Inject(sessiontest.Fault{Calls: []string{"Create"}, Err: driver.ErrTooLarge, Times: 2})
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

	dst.Inject(sessiontest.Fault{Calls: []string{"Create"}, Err: sessiontest.ErrOutage, Times: 1})
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

func TestCopyUnsupported(t *testing.T) {
	store, err := cookie.Driver{}.Open("unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	_, err = session.Copy(t.Context(), store, memory.New(memory.Options{}), session.CopyOptions{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
