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
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// A change after a write of unknown outcome is stored by the next Flush, which finds out the outcome
// first.
func TestChangesAfterAnUnansweredWrite(t *testing.T) {
	ctx := t.Context()
	for call, begin := range map[string]func(*session.Factory) *session.Session{
		"Create":   (*session.Factory).NewSession,
		"Flush":    func(f *session.Factory) *session.Session { return created(t, f) },
		"ChangeID": func(f *session.Factory) *session.Session { return created(t, f) },
	} {
		for outcome, acts := range map[string][]act{
			"done": {lost}, "not done": {unmade}, "done late": {unmade, lost}, "unknown twice": {lost, lost, unmade}, "never": {unmade, unmade},
		} {
			t.Run(call+" "+outcome, func(t *testing.T) {
				f, st := onStage(t, session.Config{})
				s := begin(f)
				require.NoError(t, increment(s))
				st.then(call, acts...)
				st.then("Retrieve", unmade)
				if call == "ChangeID" {
					_ = s.ChangeID(ctx)
				} else {
					_ = s.Flush(ctx)
				}
				require.NoError(t, s.Set("later", 1))
				require.NoError(t, increment(s))
				for range 3 {
					if s.Flush(ctx) == nil {
						break
					}
				}
				st.heal()
				require.Equal(t, 2, got[int](t, same(t, f, s), "n"))
				require.Equal(t, 1, got[int](t, same(t, f, s), "later"))
				n := 0
				for _, err := range f.Sessions(ctx) {
					require.NoError(t, err)
					n++
				}
				require.Equal(t, 1, n, "no orphan")
			})
		}
	}
}

// After four newer writes the outcome of a write is not known any more; it is not tried again.
func TestHiddenWrite(t *testing.T) {
	ctx := t.Context()
	for _, newer := range []int{3, 4} {
		for _, done := range []bool{true, false} {
			t.Run(fmt.Sprint(newer, done), func(t *testing.T) {
				f, st := onStage(t, session.Config{})
				s := stored(t, f, map[string]any{"n": 0})
				for range 4 {
					require.NoError(t, increment(s))
					require.NoError(t, s.Flush(ctx))
				}
				others := func() {
					for range newer {
						other := same(t, f, s)
						require.NoError(t, other.Set("x", 1))
						require.NoError(t, other.Flush(ctx))
					}
				}
				require.NoError(t, increment(s))
				st.then("Flush", func(ctx context.Context, do func(context.Context) error) error {
					if done {
						_ = do(ctx)
					}
					others()
					return sessiontest.ErrOutage
				})
				err := s.Flush(ctx)
				want := 5
				if newer == 4 {
					require.ErrorIs(t, err, session.ErrUnavailable)
					require.ErrorIs(t, s.Flush(ctx), session.ErrUnavailable, "the outcome stays unknown")
					if !done {
						want = 4
					}
				} else {
					require.NoError(t, err)
				}
				require.Equal(t, want, got[int](t, same(t, f, s), "n"))
			})
		}
	}
}

// failing is a codec of the application that fails with an error of this package.
type failing struct {
	session.Codec
	with error
}

func (c *failing) Name() string { return "failing" }

func (c *failing) Unmarshal(data []byte, v any) error {
	if c.with != nil {
		return fmt.Errorf("of the caller: %w", c.with)
	}
	return c.Codec.Unmarshal(data, v)
}

// An error of the application's code during a merge does not end the session.
func TestCallersErrorInMerge(t *testing.T) {
	ctx := t.Context()
	for _, err := range []error{
		session.ErrNotFound, session.ErrConflict, session.ErrTooLarge, session.ErrCorrupt, session.ErrClosed, session.ErrTooManySessions,
		session.ErrStaleSignIn, session.ErrUnavailable, session.ErrSealed, driver.ErrExists, context.Canceled,
	} {
		for _, tells := range []bool{true, false} { // whether the store tells the version of a record after a write
			t.Run(fmt.Sprint(err, tells), func(t *testing.T) {
				codec := &failing{Codec: session.JSON}
				st := stage(memory.New(memory.Options{}))
				var store driver.Store = st
				want := map[string]int{"Flush": 1, "Retrieve": 1}
				if !tells {
					store, want = forgetful{st}, map[string]int{"Retrieve": 1}
				}
				f := factory(t, quiet(session.Config{Codecs: []session.Codec{codec}}), store)
				s := stored(t, f, map[string]any{"n": 1})
				require.NoError(t, increment(s))
				if tells {
					other := same(t, f, s)
					require.NoError(t, other.Set("b", 1))
					require.NoError(t, other.Flush(ctx))
				}
				codec.with = err
				st.took()
				flushed := s.Flush(ctx)
				calls := st.took()
				codec.with = nil
				require.ErrorContains(t, flushed, "of the caller")
				require.Equal(t, want, calls)
				require.NoError(t, s.Flush(ctx), "the session lives, and the change is kept")
				require.Equal(t, 2, got[int](t, same(t, f, s), "n"))
			})
		}
	}
}

// A change that is made while sessions are counted for a sign-in is applied once.
func TestChangeDuringAdmission(t *testing.T) {
	ctx := t.Context()
	for _, refuse := range []bool{false, true} {
		f, st := onStage(t, session.Config{MaxPerSubject: 1, RefuseAtMax: refuse})
		var other *session.Session
		if !refuse {
			other = signedIn(t, f, "ada")
			_ = other
		}
		s := stored(t, f, map[string]any{"n": 0})
		require.NoError(t, s.SignIn(ctx, "ada"))
		st.then("SubjectSessions", beforeIt(func() { require.NoError(t, increment(s)) }))
		require.NoError(t, s.Flush(ctx))
		b := same(t, f, s)
		require.NoError(t, b.Set("b", 1))
		require.NoError(t, b.Flush(ctx))
		require.NoError(t, s.Set("c", 1))
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, 1, got[int](t, same(t, f, s), "n"), "refuse: %t", refuse)
	}
}

// The pauses after conflicts take the latency of the store into account: of many writers at a slow
// store none gives up.
func TestConflictsOfASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, _ string, do func(context.Context) error) error {
			time.Sleep(50 * time.Millisecond)
			err := do(ctx)
			time.Sleep(50 * time.Millisecond)
			return err
		}
		f := factory(t, quiet(session.Config{StoreTimeout: 30 * time.Second}), intercept.New(memory.New(memory.Options{}), slow))
		s := created(t, f)
		var wg sync.WaitGroup
		for range 50 {
			r := same(t, f, s)
			wg.Go(func() {
				if err := increment(r); err != nil {
					t.Error(err)
				}
				if err := r.Flush(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 50, got[int](t, same(t, f, s), "n"))
	})
}

// A ChangeID that has failed does not happen with a later Flush.
func TestFailedChangeIDDoesNotHappenLater(t *testing.T) {
	ctx := t.Context()
	for _, err := range []error{driver.ErrTooLarge, driver.ErrCorrupt} {
		f, st := onStage(t, session.Config{})
		s := stored(t, f, map[string]any{"x": 1})
		before := s.ID()
		st.then("ChangeID", answered(err))
		require.ErrorIs(t, s.ChangeID(ctx), err)
		require.NoError(t, s.Set("y", 1))
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, before, s.ID())
		require.True(t, same(t, f, s).Has("y"))
	}
}

// A process whose clock is behind by more than Idle moves no expiry into the past.
func TestWriteByAClockThatIsBehind(t *testing.T) {
	ctx := t.Context()
	store := memory.New(memory.Options{})
	right := factory(t, session.Config{}, store)
	clock := sessiontest.NewClock()
	clock.Advance(-5 * time.Hour)
	late := factory(t, session.Config{Now: clock.Now}, shared{store})
	s := stored(t, right, map[string]any{"x": 1})
	expires := s.Info().Expires
	for range 3 {
		mine := same(t, late, s)
		require.NoError(t, increment(mine))
		require.NoError(t, mine.Flush(ctx))
		require.False(t, mine.Info().Expires.Before(expires), "%v", mine.Info().Expires)
	}
	require.NoError(t, same(t, late, s).Flush(ctx))
	require.Equal(t, 3, got[int](t, same(t, right, s), "n"))
}

// A change of the value "" drops no change that is about no value.
func TestEmptyNameReplacesOnlyItself(t *testing.T) {
	ctx := t.Context()
	f, _ := onStage(t, session.Config{})
	s := stored(t, f, map[string]any{"x": 1, "": 1})
	mine, other := same(t, f, s), same(t, f, s)
	own := session.Timeouts{Idle: 2 * time.Hour, Lifetime: 48 * time.Hour}
	require.NoError(t, mine.Clear())
	require.NoError(t, mine.SetLabel("label"))
	require.NoError(t, mine.SetTimeouts(own))
	require.NoError(t, mine.SignIn(ctx, "ada"))
	require.NoError(t, mine.Set("", 2))
	require.NoError(t, mine.Delete(""))
	require.NoError(t, mine.Set("", 3))
	require.NoError(t, other.Set("y", 1))
	require.NoError(t, other.Flush(ctx))
	require.NoError(t, mine.Flush(ctx))
	stored := same(t, f, mine)
	require.Equal(t, map[string]any{"": 3.}, values(t, stored))
	require.Equal(t, own, stored.Info().Timeouts)
	require.Equal(t, "ada", stored.Subject())
	for info := range f.SubjectSessions(ctx, "ada") {
		require.Equal(t, "label", info.Label)
	}
}

// The second try of a Create has the same ID. A record of another session under it stays as it is.
func TestCreateIsTriedUnderTheSameID(t *testing.T) {
	ctx := t.Context()
	for name, tt := range map[string]struct {
		acts []act
		keys int // the number of keys that were tried
	}{
		"done": {[]act{lost}, 1}, "not done": {[]act{unmade}, 1}, "taken by another": {[]act{nil}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			tried := map[string]bool{}
			store := memory.New(memory.Options{})
			st := stage(keysOfCreate{store, tried})
			f := factory(t, quiet(session.Config{}), st)
			s := f.NewSession()
			require.NoError(t, s.Set("mine", 1))
			if tt.acts[0] == nil {
				tt.acts[0] = func(ctx context.Context, do func(context.Context) error) error {
					_ = do(ctx)
					for key := range tried { // a record of another process, with other numbers
						r, err := store.Retrieve(ctx, key)
						require.NoError(t, err)
						require.NoError(t, store.Destroy(ctx, key))
						other := stored(t, f, map[string]any{"others": 1})
						o, err := store.Retrieve(ctx, string(other.Key()))
						require.NoError(t, err)
						require.NoError(t, store.Destroy(ctx, string(other.Key())))
						delete(tried, string(other.Key()))
						r.Meta, r.Data = o.Meta, o.Data
						require.NoError(t, store.Create(ctx, r))
					}
					return sessiontest.ErrOutage
				}
			}
			st.then("Create", tt.acts...)
			require.NoError(t, s.Flush(ctx))
			require.Len(t, tried, tt.keys)
			require.Equal(t, []string{"mine"}, same(t, f, s).Names())
		})
	}
}

// keysOfCreate notes the keys that Create was called with.
type keysOfCreate struct {
	driver.Store
	tried map[string]bool
}

func (s keysOfCreate) Create(ctx context.Context, r *driver.Record) error {
	s.tried[r.Key] = true
	return s.Store.Create(ctx, r)
}
