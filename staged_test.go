package session_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/intercept"
	"gosession.dev/session/sessiontest"
)

// staged is a store some of whose next calls go as a test says.
type staged struct {
	*intercept.Store

	mu    sync.Mutex // guards what follows
	acts  map[string][]act
	calls map[string]int
}

// act is what happens instead of a call; do makes it.
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

// then says how the next calls of a method go, one after another.
func (st *staged) then(call string, acts ...act) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.acts[call] = append(st.acts[call], acts...)
}

// heal has all calls go as usual from now on.
func (st *staged) heal() {
	st.mu.Lock()
	defer st.mu.Unlock()
	clear(st.acts)
}

// took returns the calls since it was called last.
func (st *staged) took() map[string]int {
	st.mu.Lock()
	defer st.mu.Unlock()
	taken := st.calls
	st.calls = map[string]int{}
	return taken
}

// lost is a call that is made and whose answer is lost.
func lost(ctx context.Context, do func(context.Context) error) error {
	_ = do(ctx)
	return sessiontest.ErrOutage
}

// unmade is a call that is lost on its way.
func unmade(context.Context, func(context.Context) error) error { return sessiontest.ErrOutage }

// made is a call that goes as usual.
func made(ctx context.Context, do func(context.Context) error) error { return do(ctx) }

// answered is a call that is not made, and gets an answer.
func answered(err error) act {
	return func(context.Context, func(context.Context) error) error { return err }
}

// beforeIt has something happen before a call is made.
func beforeIt(happens func()) act {
	return func(ctx context.Context, do func(context.Context) error) error {
		happens()
		return do(ctx)
	}
}

// afterIt has something happen after a call is made.
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

// stored returns a session that holds these values.
func stored(t testing.TB, f *session.Factory, values map[string]any) *session.Session {
	t.Helper()
	s := created(t, f)
	for name, v := range values {
		require.NoError(t, s.Set(name, v))
	}
	require.NoError(t, s.Flush(context.Background()))
	return s
}

// signedIn returns a session of the subject.
func signedIn(t testing.TB, f *session.Factory, subject string) *session.Session {
	t.Helper()
	s := created(t, f)
	require.NoError(t, s.SignIn(context.Background(), subject))
	require.NoError(t, s.Flush(context.Background()))
	return s
}

// ofSubject returns the keys of a subject's sessions.
func ofSubject(t testing.TB, f *session.Factory, subject string) (keys []session.Key) {
	t.Helper()
	for info, err := range f.SubjectSessions(context.Background(), subject) {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	return keys
}

func increment(s *session.Session) error {
	return session.Update(s, "n", func(n int) int { return n + 1 })
}

func got[T any](t testing.TB, s *session.Session, name string) T {
	t.Helper()
	v, err := session.Get[T](s, name)
	require.NoError(t, err)
	return v
}
