package session_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// stores returns the kinds of store that merging has to cope with.
func stores() map[string]driver.Store {
	return map[string]driver.Store{
		"memory":                memory.New(memory.Options{}),
		"without extras":        bare{memory.New(memory.Options{})},
		"that tells no version": forgetful{memory.New(memory.Options{})},
	}
}

func values(t *testing.T, s *session.Session) map[string]any {
	t.Helper()
	got := map[string]any{}
	for _, name := range s.Names() {
		v, err := session.Get[any](s, name)
		require.NoError(t, err)
		got[name] = v
	}
	return got
}

// No update is lost. a and b have read the same session; first b and then a stores its changes. The
// store then has the changes of both.
func TestMerge(t *testing.T) {
	ctx := t.Context()
	increment := func(s *session.Session) error {
		return session.Update(s, "n", func(n int) int { return n + 1 })
	}
	type do = func(*session.Session) error
	set := func(name string, v any) do { return func(s *session.Session) error { return s.Set(name, v) } }
	del := func(name string) do { return func(s *session.Session) error { return s.Delete(name) } }
	seq := func(steps ...do) do {
		return func(s *session.Session) error {
			for _, step := range steps {
				if err := step(s); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for name, tt := range map[string]struct {
		a, b do
		want map[string]any
	}{
		"different names":       {set("a", 1), set("b", 2), map[string]any{"n": 10., "old": "x", "a": 1., "b": 2.}},
		"same name, later wins": {set("a", 1), set("a", 2), map[string]any{"n": 10., "old": "x", "a": 1.}},
		"updates of one value":  {increment, increment, map[string]any{"n": 12., "old": "x"}},
		"several updates":       {seq(increment, increment), seq(increment, increment, increment), map[string]any{"n": 15., "old": "x"}},
		"delete and set":        {del("old"), set("b", 2), map[string]any{"n": 10., "b": 2.}},
		"delete what b has set": {del("old"), set("old", "y"), map[string]any{"n": 10.}},
		"set what b deleted":    {set("old", "z"), del("old"), map[string]any{"n": 10., "old": "z"}},
		"update what b deleted": {increment, del("n"), map[string]any{"n": 1., "old": "x"}},
		"set then update":       {seq(set("n", 100), increment), increment, map[string]any{"n": 101., "old": "x"}},
		"update then set":       {seq(increment, set("n", 7)), increment, map[string]any{"n": 7., "old": "x"}},
		"update then delete":    {seq(increment, del("n")), increment, map[string]any{"old": "x"}},
		"clear":                 {(*session.Session).Clear, set("b", 2), map[string]any{}},
		"clear then set":        {seq((*session.Session).Clear, set("a", 1)), set("b", 2), map[string]any{"a": 1.}},
		"pop": {func(s *session.Session) error { _, err := session.Pop[string](s, "old"); return err }, set("b", 2),
			map[string]any{"n": 10., "b": 2.}},
	} {
		for kind, store := range stores() {
			t.Run(name+"/"+kind, func(t *testing.T) {
				f := factory(t, session.Config{}, store)
				s := created(t, f)
				require.NoError(t, s.Set("n", 10))
				require.NoError(t, s.Set("old", "x"))
				require.NoError(t, s.Flush(ctx))
				a, b := same(t, f, s), same(t, f, s)
				require.NoError(t, tt.a(a))
				require.NoError(t, tt.b(b))
				require.NoError(t, b.Flush(ctx))
				require.NoError(t, a.Flush(ctx))
				require.Equal(t, tt.want, values(t, same(t, f, s)))
				require.Equal(t, tt.want, values(t, a), "a has the merged values")
			})
		}
	}
}

func TestMergeSubjectAndTimeouts(t *testing.T) {
	ctx := t.Context()
	for kind, store := range stores() {
		t.Run(kind, func(t *testing.T) {
			f := factory(t, session.Config{}, store)
			s := created(t, f)
			signIn, remember := same(t, f, s), same(t, f, s)
			own := session.Timeouts{Idle: 48 * time.Hour, Lifetime: 96 * time.Hour, Persistent: true}
			require.NoError(t, remember.SetTimeouts(own))
			require.NoError(t, remember.Flush(ctx))
			require.NoError(t, signIn.SignIn(t.Context(), "ada"))
			require.NoError(t, signIn.Set("a", 1))
			require.NoError(t, signIn.Flush(ctx))
			got := same(t, f, signIn)
			require.Equal(t, "ada", got.Subject())
			require.Equal(t, own, got.Info().Timeouts)
			require.True(t, got.Has("a"))
		})
	}
}

// Changes that are made while a write is under way are stored once.
func TestChangeDuringFlush(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	f := factory(t, session.Config{}, p)
	s := created(t, f)
	increment := func() error { return session.Update(s, "n", func(n int) int { return n + 1 }) }
	require.NoError(t, increment())
	during := 0
	p.intercept(func(_ context.Context, call string) error {
		if during++; call == "Flush" && during == 1 {
			require.NoError(t, increment())
			require.NoError(t, s.Set("a", 1))
			require.NoError(t, s.Set("a", 2))
		}
		return nil
	})
	require.NoError(t, s.Flush(ctx))
	require.Equal(t, map[string]any{"n": 1.}, values(t, same(t, f, s)))
	require.NoError(t, s.Flush(ctx))
	require.Equal(t, map[string]any{"n": 2., "a": 2.}, values(t, same(t, f, s)))
}

// The function given to Update may read the session.
func TestUpdateMayReadTheSession(t *testing.T) {
	s := created(t, factory(t, session.Config{}, newProbe()))
	require.NoError(t, s.Set("step", 5))
	require.NoError(t, session.Update(s, "n", func(n int) int {
		step, err := session.Get[int](s, "step")
		require.NoError(t, err)
		return n + step
	}))
	n, err := session.Get[int](s, "n")
	require.NoError(t, err)
	require.Equal(t, 5, n)
}

// If another request has stored a value of another type, an Update of the value can't be merged.
// Nothing is stored then.
func TestMergeWithAnotherType(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	a, b := same(t, f, s), same(t, f, s)
	require.NoError(t, b.Set("n", "a string"))
	require.NoError(t, b.Flush(ctx))
	require.NoError(t, session.Update(a, "n", func(n int) int { return n + 1 }))
	err := a.Flush(ctx)
	require.EqualError(t, err, `session: flush: value "n" can't be read as int: can't decode a JSON string as int`)
	require.Equal(t, map[string]any{"n": "a string"}, values(t, same(t, f, s)))
}

// A write gives up after StoreTimeout of conflicts. The pauses between its tries are bounded.
func TestEndlessConflicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{SweepInterval: -1}, p)
		s := created(t, f)
		p.fail(driver.ErrConflict, "Flush")
		require.NoError(t, s.Set("n", 1))
		start := time.Now()
		err := s.Flush(t.Context())
		require.ErrorIs(t, err, session.ErrConflict)
		require.InDelta(t, 5*time.Second, time.Since(start), float64(50*time.Millisecond))
		require.Greater(t, p.take()["Flush"], int(5*time.Second/(32*time.Millisecond)))

		p.fail(nil)
		require.NoError(t, s.Flush(t.Context()))
		require.True(t, same(t, f, s).Has("n"))
	})
}

// 16 goroutines, each with a Session of its own for one client, add 50 times.
func TestUpdatesAddUp(t *testing.T) {
	for kind, store := range stores() {
		t.Run(kind, func(t *testing.T) {
			ctx := t.Context()
			f := factory(t, session.Config{StoreTimeout: time.Minute}, store)
			s := created(t, f)
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					for range 50 {
						mine, err := f.Retrieve(ctx, s.ID())
						require.NoError(t, err)
						require.NoError(t, session.Update(mine, "n", func(n int) int { return n + 1 }))
						require.NoError(t, mine.Flush(ctx))
					}
				})
			}
			wg.Wait()
			require.Equal(t, map[string]any{"n": 800.}, values(t, same(t, f, s)))
		})
	}
}

// A Flush that races with the end or an ID change of the session either is stored before, or fails
// with ErrNotFound. Nothing is left under the old ID.
func TestNoResurrection(t *testing.T) {
	for _, end := range []string{"Destroy", "ChangeID", "DestroySubject"} {
		for kind, store := range stores() {
			t.Run(end+"/"+kind, func(t *testing.T) {
				ctx := t.Context()
				f := factory(t, session.Config{}, store)
				if end == "DestroySubject" && kind != "memory" {
					t.Skip("needs driver.SubjectDestroyer")
				}
				for round := range 200 {
					s := created(t, f)
					require.NoError(t, s.SignIn(t.Context(), "ada"))
					require.NoError(t, s.Flush(ctx))
					id := s.ID()
					var wg sync.WaitGroup
					for i := range 3 {
						late := same(t, f, s)
						require.NoError(t, late.Set(fmt.Sprint(i), i))
						wg.Go(func() {
							if err := late.Flush(ctx); err != nil {
								require.ErrorIs(t, err, session.ErrNotFound)
							}
						})
					}
					wg.Go(func() {
						switch end {
						case "Destroy":
							require.NoError(t, s.Destroy(ctx))
						case "ChangeID":
							require.NoError(t, s.ChangeID(ctx))
						case "DestroySubject":
							require.NoError(t, f.DestroySubject(ctx, "ada"))
						}
					})
					wg.Wait()
					_, err := f.Retrieve(ctx, id)
					require.ErrorIs(t, err, session.ErrNotFound, "round %d", round)
					if end == "ChangeID" {
						require.NoError(t, same(t, f, s).Destroy(ctx))
					}
				}
				for range f.Sessions(ctx) {
					t.Fatal("Sessions() yields a session; want none")
				}
			})
		}
	}
}
