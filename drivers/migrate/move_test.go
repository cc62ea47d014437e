package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
	"gosession.dev/session/sessiontest"
)

// factory returns a factory that logs nothing and is closed when the test ends.
func factory(t *testing.T, c session.Config, store driver.Store) *session.Factory {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	f, err := c.New(store)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func created(t *testing.T, f *session.Factory) *session.Session {
	t.Helper()
	s, err := f.Create(t.Context())
	require.NoError(t, err)
	return s
}

// retrieve returns s as another request sees it.
func retrieve(t *testing.T, f *session.Factory, s *session.Session) *session.Session {
	t.Helper()
	again, err := f.Retrieve(t.Context(), s.ID())
	require.NoError(t, err)
	return again
}

// Two processes change sessions while all sessions move: no session and no update is lost, and
// ended sessions stay ended.
func TestMoveWhileInUse(t *testing.T) {
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
				require.NoError(t, err, "Retrieve: user %d, addition %d", u, i)
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
		_, err := migrate.Move(ctx, dst, src, migrate.MoveOptions{})
		require.NoError(t, err)
	}
	wg.Wait()
	stats, err := migrate.Move(ctx, dst, src, migrate.MoveOptions{})
	require.NoError(t, err)
	require.Zero(t, stats.Left)
	for key := range src.Sessions(ctx) {
		t.Fatalf("src.Sessions yields %q after Move; want no keys", key)
	}

	after := factory(t, session.Config{SweepInterval: -1}, unclosed{dst})
	for u, id := range ids {
		s, err := after.Retrieve(ctx, id)
		if u%4 == 0 {
			require.Error(t, err, "Retrieve: user %d has signed out", u)
			continue
		}
		require.NoError(t, err, "Retrieve: user %d", u)
		n, err := session.Get[int](s, "n")
		require.NoError(t, err)
		require.Equal(t, additions, n)
		require.Equal(t, fmt.Sprint("user", u), s.Subject())
	}
}

// unclosed is a store that several factories use, so that none of them may close it.
type unclosed struct{ driver.Store }

func (unclosed) Close() error { return nil }

// Move leaves sessions that dst refuses as too large, ends at an outage, and continues when it is
// called again.
func TestMoveContinues(t *testing.T) {
	const sessions = 30
	ctx := t.Context()
	src, dst := memory.New(memory.Options{}), &refusing{Store: memory.New(memory.Options{})}
	f := factory(t, session.Config{SweepInterval: -1}, unclosed{src})
	for range sessions {
		created(t, f)
	}
	dst.next = []error{nil, driver.ErrTooLarge, driver.ErrTooLarge} // the first Create is the probe for a shared backend
	var last migrate.MoveStats
	interrupted, cancel := context.WithCancel(ctx)
	stats, err := migrate.Move(interrupted, dst, src, migrate.MoveOptions{Parallel: 1, Progress: func(s migrate.MoveStats) {
		if last = s; s.Done == 10 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, migrate.MoveStats{Total: sessions, Done: 10, Moved: 8, Left: 2}, stats)
	require.Equal(t, stats, last)

	dst.next = []error{nil, sessiontest.ErrOutage}
	_, err = migrate.Move(ctx, dst, src, migrate.MoveOptions{})
	require.ErrorIs(t, err, sessiontest.ErrOutage)

	stats, err = migrate.Move(ctx, dst, src, migrate.MoveOptions{})
	require.NoError(t, err)
	require.Equal(t, stats.Total, stats.Done)
	n := 0
	for range dst.Sessions(ctx) {
		n++
	}
	require.Equal(t, sessions, n)
	stats, err = migrate.Move(ctx, dst, src, migrate.MoveOptions{})
	require.NoError(t, err)
	require.Zero(t, stats, "Move after everything has moved")
}

// DestroySubject leaves a mark in the store. Move moves the mark and does not count it.
func TestMoveCountsOnlySessions(t *testing.T) {
	ctx := t.Context()
	src, dst := memory.New(memory.Options{}), memory.New(memory.Options{})
	f := factory(t, session.Config{SweepInterval: -1}, src)
	attempt, err := f.BeginSignIn(ctx, "ada")
	require.NoError(t, err)
	require.NoError(t, f.DestroySubject(ctx, "ada"))
	created(t, f)
	created(t, f)
	var reported []migrate.MoveStats
	stats, err := migrate.Move(ctx, dst, src, migrate.MoveOptions{Parallel: 1, Progress: func(s migrate.MoveStats) { reported = append(reported, s) }})
	require.NoError(t, err)
	require.Equal(t, migrate.MoveStats{Total: 2, Done: 2, Moved: 2}, stats)
	require.Equal(t, []migrate.MoveStats{{Total: 2, Done: 1, Moved: 1}, stats}, reported)

	after := factory(t, session.Config{SweepInterval: -1}, dst)
	s := created(t, after)
	require.NoError(t, s.SignIn(ctx, "ada", attempt))
	require.ErrorIs(t, s.Flush(ctx), session.ErrStaleSignIn)
}

// refusing is a store whose calls of Create return the errors of next, one per call.
type refusing struct {
	driver.Store
	mu   sync.Mutex // guards next
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

func TestMoveRefusesCookieStores(t *testing.T) {
	store, err := cookie.Driver{}.Open("unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	require.NoError(t, err)
	wrapped := intercept.New(store, pass)
	for _, dst := range []driver.Store{store, wrapped} {
		_, err = migrate.Move(t.Context(), dst, memory.New(memory.Options{}), migrate.MoveOptions{})
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

// Move refuses a pair, whose records it would freeze and could not move, and a store that is both
// dst and src. It writes to neither.
func TestMoveRefusesPairs(t *testing.T) {
	const pair, same = "is a pair of this package: open each backend by itself", "are the same store: give the new backend as dst"
	for name, tt := range map[string]struct {
		stores func(a, b, third driver.Store) (dst, src driver.Store)
		want   string
	}{
		"the same store":  {func(a, _, _ driver.Store) (dst, src driver.Store) { return a, a }, same},
		"a wrapped store": {func(a, _, _ driver.Store) (dst, src driver.Store) { return a, intercept.New(a, pass) }, same},
		"two wrapped": {func(a, _, _ driver.Store) (dst, src driver.Store) {
			return intercept.New(a, pass), intercept.New(a, pass)
		}, same},
		"from New to new":   {func(a, b, _ driver.Store) (dst, src driver.Store) { return b, migrate.New(b, a) }, pair},
		"from New to old":   {func(a, b, _ driver.Store) (dst, src driver.Store) { return a, migrate.New(b, a) }, pair},
		"from Prepare":      {func(a, b, _ driver.Store) (dst, src driver.Store) { return b, migrate.Prepare(b, a) }, pair},
		"to New from new":   {func(a, b, _ driver.Store) (dst, src driver.Store) { return migrate.New(a, b), a }, pair},
		"to New from old":   {func(a, b, _ driver.Store) (dst, src driver.Store) { return migrate.New(b, a), a }, pair},
		"to Prepare":        {func(a, b, _ driver.Store) (dst, src driver.Store) { return migrate.Prepare(a, b), a }, pair},
		"to New of another": {func(a, b, third driver.Store) (dst, src driver.Store) { return migrate.New(third, b), a }, pair},
		"from New to third": {func(a, b, third driver.Store) (dst, src driver.Store) { return third, migrate.New(a, b) }, pair},
		"reversed pairs":    {func(a, b, _ driver.Store) (dst, src driver.Store) { return migrate.New(a, b), migrate.New(b, a) }, pair},
		"a wrapped pair": {func(a, b, _ driver.Store) (dst, src driver.Store) {
			return intercept.New(migrate.Prepare(a, b), pass), a
		}, pair},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, third := sessiontest.Wrap(t, newMemory()), sessiontest.Wrap(t, newMemory()), sessiontest.Wrap(t, newMemory())
			f := factory(t, session.Config{SweepInterval: -1}, unclosed{a})
			s := created(t, f)
			a.TakeCalls()
			dst, src := tt.stores(a, b, third)
			stats, err := migrate.Move(t.Context(), dst, src, migrate.MoveOptions{})
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "nothing was moved")
			require.Zero(t, stats)
			for _, store := range []*sessiontest.Store{a, b, third} {
				require.Empty(t, store.TakeCalls())
			}
			retrieve(t, f, s)
		})
	}
}

func pass(ctx context.Context, _ string, do func(context.Context) error) error { return do(ctx) }

// Two stores of one DSN are different values, so Move finds out by a record that they are one
// backend.
func TestMoveRefusesStoresOfOneDSN(t *testing.T) {
	open := func() driver.Store {
		s, err := memory.Driver{}.Open(t.Name())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	dst, src := open(), open()
	f := factory(t, session.Config{SweepInterval: -1}, unclosed{src})
	s := created(t, f)
	stats, err := migrate.Move(t.Context(), dst, src, migrate.MoveOptions{})
	require.ErrorContains(t, err, "nothing was moved")
	require.Zero(t, stats)
	retrieve(t, f, s)
}

// Move fails when a store never answers.
func TestMoveTimesOut(t *testing.T) {
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
				_, err := migrate.Move(t.Context(), dst, src, migrate.MoveOptions{})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.LessOrEqual(t, time.Since(begin), time.Minute)
				require.NoError(t, errors.Join(src.Close(), dst.Close()))
			})
		})
	}
}

// A process that uses src alone meets the records of a move: an ended session's empty record is
// ErrNotFound rather than ErrCorrupt, and a session that is being moved is ErrUnavailable, so
// that its user is not signed out.
func TestProcessOutsideOfMove(t *testing.T) {
	ctx := t.Context()
	src, dst := memory.New(memory.Options{}), sessiontest.Wrap(t, memory.New(memory.Options{}))
	alone := factory(t, session.Config{SweepInterval: -1}, src)
	pair := factory(t, session.Config{SweepInterval: -1}, unclosed{migrate.New(dst, src)})

	late := created(t, alone)
	require.NoError(t, pair.Destroy(ctx, late.Key()))
	require.NoError(t, late.Set("n", 1))
	require.ErrorIs(t, late.Flush(ctx), session.ErrNotFound)
	_, _, err := alone.Inspect(ctx, late.Key())
	require.ErrorIs(t, err, session.ErrNotFound)

	s := created(t, alone)
	require.NoError(t, s.Set("n", 1))
	require.NoError(t, s.SignIn(t.Context(), "ada"))
	require.NoError(t, s.Flush(ctx))
	dst.Inject(sessiontest.Fault{Calls: []string{"Create"}, Err: sessiontest.ErrOutage})
	other := retrieve(t, pair, s)
	require.NoError(t, other.Set("n", 2))
	require.ErrorIs(t, other.Flush(ctx), sessiontest.ErrOutage)
	dst.Heal()
	_, err = alone.Retrieve(ctx, s.ID())
	require.ErrorContains(t, err, "is being moved to another backend")
	require.ErrorIs(t, err, session.ErrUnavailable)
	require.NotErrorIs(t, err, session.ErrCorrupt)
	require.NotErrorIs(t, err, session.ErrNotFound)
	for info, err := range alone.SubjectSessions(ctx, "ada") {
		require.NoError(t, err)
		require.Equal(t, s.Handle(), info.Handle)
	}
	_, values, err := alone.Inspect(ctx, s.Key())
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"n": []byte("2")}, values)
	moved, err := pair.Retrieve(ctx, s.ID())
	require.NoError(t, err)
	n, err := session.Get[int](moved, "n")
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// Progress runs in the goroutine that called Move, and may panic there.
func TestMoveProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, dst := memory.New(memory.Options{}), memory.New(memory.Options{})
		f := factory(t, session.Config{SweepInterval: -1}, unclosed{src})
		for range 20 {
			created(t, f)
		}
		calls := 0 // without a lock, because Progress runs in one goroutine
		moving := func() (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = r.(error)
				}
			}()
			_, err = migrate.Move(t.Context(), dst, src, migrate.MoveOptions{Parallel: 1_000_000_000, Progress: func(s migrate.MoveStats) {
				if calls++; calls == 10 {
					panic(errors.New("progress"))
				}
			}})
			return err
		}
		require.EqualError(t, moving(), "progress")
		synctest.Wait()
		require.NoError(t, moving(), "Move after a panic of Progress")
	})
}
