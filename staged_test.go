package session_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// staged is a store in which a test chooses the outcome of the next calls.
type staged struct {
	*intercept.Store

	mu    sync.Mutex // guards what follows
	acts  map[string][]act
	calls map[string]int
}

// act stands in for a call of the store, and may make the call by do.
type act func(ctx context.Context, do func(context.Context) error) error

func stage(inner driver.Store) *staged {
	st := &staged{acts: map[string][]act{}, calls: map[string]int{}}
	st.Store = intercept.New(inner, func(ctx context.Context, call string, do func(context.Context) error) error {
		if next := st.next(call); next != nil {
			return next(ctx, do)
		}
		return do(ctx)
	})
	return st
}

func (st *staged) next(call string) (next act) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.calls[call]++
	if acts := st.acts[call]; len(acts) > 0 {
		next, st.acts[call] = acts[0], acts[1:]
	}
	return next
}

// then chooses the outcomes of the next calls of a method, in order.
func (st *staged) then(call string, acts ...act) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.acts[call] = append(st.acts[call], acts...)
}

// heal makes all further calls work as usual.
func (st *staged) heal() {
	st.mu.Lock()
	defer st.mu.Unlock()
	clear(st.acts)
}

// took returns the number of calls by method since its last call.
func (st *staged) took() map[string]int {
	st.mu.Lock()
	defer st.mu.Unlock()
	taken := st.calls
	st.calls = map[string]int{}
	return taken
}

// lost makes the call and loses its answer.
func lost(ctx context.Context, do func(context.Context) error) error {
	_ = do(ctx)
	return sessiontest.ErrOutage
}

// unmade loses the call on its way.
func unmade(context.Context, func(context.Context) error) error { return sessiontest.ErrOutage }

// made makes the call as usual.
func made(ctx context.Context, do func(context.Context) error) error { return do(ctx) }

// answered returns an act that makes no call and answers err.
func answered(err error) act {
	return func(context.Context, func(context.Context) error) error { return err }
}

// beforeIt returns an act that calls happens before the call.
func beforeIt(happens func()) act {
	return func(ctx context.Context, do func(context.Context) error) error {
		happens()
		return do(ctx)
	}
}

// afterIt returns an act that calls happens after the call.
func afterIt(happens func()) act {
	return func(ctx context.Context, do func(context.Context) error) error {
		defer happens()
		return do(ctx)
	}
}

// onStage returns a factory over a staged store in memory.
func onStage(t testing.TB, cfg session.Config) (*session.Factory, *staged) {
	t.Helper()
	st := stage(memory.New(memory.Options{}))
	return factory(t, quiet(cfg), st), st
}

// stored returns a stored session with these values.
func stored(t testing.TB, f *session.Factory, values map[string]any) *session.Session {
	t.Helper()
	s := created(t, f)
	for name, v := range values {
		require.NoError(t, s.Set(name, v))
	}
	require.NoError(t, s.Flush(context.Background()))
	return s
}

// signedIn returns a stored session of the subject.
func signedIn(t testing.TB, f *session.Factory, subject string) *session.Session {
	t.Helper()
	s := created(t, f)
	require.NoError(t, s.SignIn(context.Background(), subject))
	require.NoError(t, s.Flush(context.Background()))
	return s
}

// ofSubject returns the handles of a subject's sessions.
func ofSubject(t testing.TB, f *session.Factory, subject string) (handles []string) {
	t.Helper()
	for info, err := range f.SubjectSessions(context.Background(), subject) {
		require.NoError(t, err)
		handles = append(handles, info.Handle)
	}
	return handles
}

func increment(s *session.Session) error {
	return session.Update(s, "n", func(n int) int { return n + 1 })
}

func got[T any](t testing.TB, s *session.Session, name string) T {
	t.Helper()
	require.True(t, s.Has(name))
	v, err := session.Get[T](s, name)
	require.NoError(t, err)
	return v
}
