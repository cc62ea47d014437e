package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

const notInUpdate = "must not change or store the session"

// handlings are the ways to change and to store a session.
func handlings(ctx context.Context) map[string]func(*session.Session) error {
	plus := func(n int) int { return n + 1 }
	return map[string]func(*session.Session) error{
		"Set":                func(s *session.Session) error { return s.Set("m", 1) },
		"Set the same":       func(s *session.Session) error { return s.Set("n", 1) },
		"Update":             func(s *session.Session) error { return session.Update(s, "m", plus) },
		"Update of the same": func(s *session.Session) error { return session.Update(s, "n", plus) },
		"Pop":                func(s *session.Session) error { _, err := session.Pop[string](s, "a"); return err },
		"Pop of the same":    func(s *session.Session) error { _, err := session.Pop[int](s, "n"); return err },
		"Take":               func(s *session.Session) error { _, err := session.Take[string](ctx, s, "a"); return err },
		"Delete":             func(s *session.Session) error { return s.Delete("a") },
		"Clear":              func(s *session.Session) error { return s.Clear() },
		"SetLabel":           func(s *session.Session) error { return s.SetLabel("x") },
		"SetTimeouts":        func(s *session.Session) error { return s.SetTimeouts(session.Timeouts{Idle: time.Minute}) },
		"SignIn":             func(s *session.Session) error { return s.SignIn(ctx, "bob") },
		"Flush":              func(s *session.Session) error { return s.Flush(ctx) },
		"ChangeID":           func(s *session.Session) error { return s.ChangeID(ctx) },
		"Destroy":            func(s *session.Session) error { return s.Destroy(ctx) },
	}
}

// contentOf describes the visible content of a session.
func contentOf(t testing.TB, s *session.Session) string {
	return fmt.Sprint(values(t.(*testing.T), s), s.Subject(), s.Info().Timeouts, s.Key())
}

// The function given to Update can only read the session. Any other call fails, the Update fails
// too, and nothing changes.
func TestUseInUpdate(t *testing.T) {
	for name, use := range handlings(t.Context()) {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{}, newProbe())
			s := stored(t, f, map[string]any{"n": 10, "a": "x"})
			require.NoError(t, s.Set("pending", 1))
			before := contentOf(t, s)
			runs := 0
			var inner error
			err := session.Update(s, "n", func(n int) int {
				runs++
				inner = use(s)
				require.True(t, s.Has("a"))
				return n + 1
			})
			require.ErrorContains(t, inner, notInUpdate)
			require.ErrorContains(t, err, notInUpdate)
			require.Equal(t, 1, runs)
			require.Equal(t, before, contentOf(t, s))
			require.NoError(t, use(s), "after the Update it works")
		})
	}
}

// At a merge, where the function runs again, it can only read the session too: any other call
// fails, and so does the Flush.
func TestUseInUpdateAtMerge(t *testing.T) {
	ctx := t.Context()
	for name, use := range handlings(ctx) {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{}, newProbe())
			s := stored(t, f, map[string]any{"n": 10, "a": "x"})
			other := same(t, f, s)
			runs := 0
			var inner error
			require.NoError(t, session.Update(s, "n", func(n int) int {
				if runs++; runs == 2 {
					inner = use(s)
				}
				return n + 1
			}))
			require.NoError(t, increment(other))
			require.NoError(t, other.Flush(ctx))
			require.ErrorContains(t, s.Flush(ctx), notInUpdate)
			require.ErrorContains(t, inner, notInUpdate)
			require.Equal(t, 11, got[int](t, same(t, f, s), "n"))
			require.NoError(t, s.Flush(ctx), "the change is kept")
			require.Equal(t, 12, got[int](t, same(t, f, s), "n"))
		})
	}
}

// Another goroutine may use the session while the function runs. It waits for the function only
// if that runs in a write.
func TestUseBesideUpdate(t *testing.T) {
	ctx := t.Context()
	for name, use := range handlings(ctx) {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{}, newProbe())
			s := stored(t, f, map[string]any{"n": 10, "a": "x"})
			require.NoError(t, s.Set("pending", 1))
			running, used := make(chan bool), make(chan error)
			go func() {
				<-running
				used <- use(s)
			}()
			runs := 0
			err := session.Update(s, "n", func(n int) int {
				if runs++; runs == 1 {
					running <- true
					require.NoError(t, <-used)
				}
				return n + 1
			})
			if name == "Destroy" {
				require.ErrorIs(t, err, session.ErrNotFound)
				return
			}
			require.NoError(t, err)
			require.LessOrEqual(t, runs, 2)
			want := map[string]int{"Set the same": 2, "Update of the same": 12, "Pop of the same": 1, "Clear": 1}[name]
			require.NoError(t, s.Flush(ctx))
			require.Equal(t, max(want, map[bool]int{want == 0: 11}[true]), got[int](t, same(t, f, s), "n"))
		})
	}
}

// Update gives up if its function makes another goroutine change the session.
func TestUseInUpdateByAnotherGoroutine(t *testing.T) {
	for name, use := range handlings(t.Context()) {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{}, newProbe())
			s := stored(t, f, map[string]any{"n": 10, "a": "x"})
			err := session.Update(s, "n", func(n int) int {
				done := make(chan bool)
				go func() {
					defer close(done)
					_ = use(s)
				}()
				<-done
				return n + 1
			})
			if err != nil && !errors.Is(err, session.ErrNotFound) {
				require.ErrorContains(t, err, "the function given to Update ran 1000 times")
			}
		})
	}
}

// At a merge, a function that waits for the Flush of another goroutine would wait for itself. That
// Flush gives up after StoreTimeout.
func TestFlushInUpdateAtMergeByAnotherGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := factory(t, session.Config{SweepInterval: -1}, newProbe())
		s := stored(t, f, map[string]any{"n": 10})
		other := same(t, f, s)
		runs := 0
		inner := make(chan error, 1)
		require.NoError(t, session.Update(s, "n", func(n int) int {
			if runs++; runs == 2 {
				go func() { inner <- s.Flush(context.Background()) }()
				inner <- <-inner
			}
			return n + 1
		}))
		require.NoError(t, increment(other))
		require.NoError(t, other.Flush(ctx))
		start := time.Now()
		require.ErrorContains(t, s.Flush(ctx), "no answer within 5s", "the function has taken the time for the write")
		require.ErrorContains(t, <-inner, "has not returned for 5s")
		require.LessOrEqual(t, time.Since(start), 11*time.Second)
		require.NoError(t, s.Flush(ctx))
		require.Equal(t, 12, got[int](t, same(t, f, s), "n"))
	})
}

// A Flush waits for a slow one of another goroutine.
func TestFlushBesideSlowFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f, st := onStage(t, session.Config{SweepInterval: -1, StoreTimeout: time.Second})
		s := stored(t, f, map[string]any{"n": 10})
		slow := beforeIt(func() { time.Sleep(900 * time.Millisecond) })
		st.then("Flush", slow, slow)
		st.then("Retrieve", slow, slow, slow, slow)
		other := same(t, f, s)
		require.NoError(t, increment(other))
		require.NoError(t, other.Flush(ctx))
		require.NoError(t, increment(s))
		first := make(chan error)
		go func() { first <- s.Flush(ctx) }()
		synctest.Wait()
		require.NoError(t, s.Set("a", 1))
		require.NoError(t, s.Flush(ctx))
		require.NoError(t, <-first)
		require.Equal(t, map[string]any{"n": 12., "a": 1.}, values(t, same(t, f, s)))
	})
}

// nosy is a value whose methods use a session.
type nosy struct{ N int }

var nosyUse func() error

func (n nosy) MarshalJSON() ([]byte, error) {
	if err := nosyUse(); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%d", n.N), nil
}

func (n *nosy) UnmarshalJSON(data []byte) error {
	if err := nosyUse(); err != nil {
		return err
	}
	_, err := fmt.Sscan(string(data), &n.N)
	return err
}

// Methods of values may use the session while a value is set or read, but not in the middle of a
// change.
func TestUseInMethodsOfValues(t *testing.T) {
	ctx := t.Context()
	for name, use := range handlings(ctx) {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{}, newProbe())
			nothing := func() error { return nil }
			var s *session.Session
			begin := func() {
				nosyUse = nothing
				s = stored(t, f, map[string]any{"n": 10, "a": "x", "v": nosy{1}})
				require.NoError(t, s.Set("pending", 1))
				used := false
				nosyUse = func() error {
					if used {
						return nil
					}
					used = true
					return use(s)
				}
			}
			for what, do := range map[string]func() error{
				"Update": func() error { return session.Update(s, "v", func(v nosy) nosy { return v }) },
				"Pop":    func() error { _, err := session.Pop[nosy](s, "v"); return err },
				"Take":   func() error { _, err := session.Take[nosy](ctx, s, "v"); return err },
			} {
				begin()
				require.ErrorContains(t, do(), notInUpdate, what)
				require.True(t, s.Has("v"), what)
			}
			begin()
			_, err := session.Get[nosy](s, "v")
			require.NoError(t, err)
			begin()
			if err := s.Set("v", nosy{2}); err != nil {
				require.Equal(t, "Destroy", name)
			}
		})
	}
}

// OnEvent is called while the session is stored, so it can't store the session.
func TestUseInOnEvent(t *testing.T) {
	ctx := t.Context()
	for _, name := range []string{"Flush", "ChangeID", "Destroy", "Take"} {
		t.Run(name, func(t *testing.T) {
			var s *session.Session
			var inner error
			f := factory(t, session.Config{OnEvent: func(context.Context, session.Event) {
				if s != nil {
					inner = errors.Join(s.Set("m", 1), handlings(ctx)[name](s))
				}
			}}, newProbe())
			s = stored(t, f, map[string]any{"n": 10, "a": "x"})
			require.NoError(t, s.SignIn(ctx, "ada"))
			require.NoError(t, s.Flush(ctx))
			require.ErrorContains(t, inner, "must not store the session")
			require.NoError(t, s.Flush(ctx))
			require.Equal(t, 1, got[int](t, same(t, f, s), "m"))
		})
	}
}

// The function given to Update must not write the response, which stores the session.
func TestWriteInUpdate(t *testing.T) {
	for _, run := range []int{1, 2} { // 2: at the merge
		f := factory(t, quiet(session.Config{}), newProbe())
		s := stored(t, f, map[string]any{"n": 10})
		other := same(t, f, s)
		var wrote error
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(s.Cookie())
		f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.FromContext(r.Context())
			require.NoError(t, err)
			require.NoError(t, s.Set("pending", 1))
			runs := 0
			_ = session.Update(s, "n", func(n int) int {
				if runs++; runs == run {
					_, wrote = w.Write([]byte("early"))
				}
				return n + 1
			})
			require.NoError(t, increment(other))
			require.NoError(t, other.Flush(context.Background()))
			_, _ = w.Write([]byte("late"))
		})).ServeHTTP(w, r)
		require.ErrorContains(t, wrote, notInUpdate)
		require.NotContains(t, w.Body.String(), "early")
	}
}

// The session stays usable, whether the function panics or ends its goroutine.
func TestUpdateThatDoesNotReturn(t *testing.T) {
	ctx := t.Context()
	for name, leave := range map[string]func(){
		"panic":  func() { panic("of the caller") },
		"Goexit": runtime.Goexit,
	} {
		for _, run := range []int{1, 2} {
			t.Run(fmt.Sprint(name, run), func(t *testing.T) {
				f := factory(t, session.Config{}, newProbe())
				s := stored(t, f, map[string]any{"n": 10})
				other := same(t, f, s)
				runs := 0
				fn := func(n int) int {
					if runs++; runs == run {
						leave()
					}
					return n + 1
				}
				attempt := func(do func()) {
					done := make(chan bool)
					go func() {
						defer close(done)
						defer func() { _ = recover() }()
						do()
					}()
					<-done
				}
				attempt(func() { _ = session.Update(s, "n", fn) })
				require.Equal(t, 9+run, got[int](t, s, "n"))
				require.NoError(t, increment(other))
				require.NoError(t, other.Flush(ctx))
				attempt(func() { _ = s.Flush(ctx) })
				require.Equal(t, 11, got[int](t, same(t, f, s), "n"))
				require.NoError(t, increment(s))
				require.NoError(t, s.Flush(ctx))
				require.Equal(t, 11+run, got[int](t, same(t, f, s), "n"))
				require.NoError(t, s.Destroy(ctx))
			})
		}
	}
}

// Functions that run at the same time, for one session or several, do not disturb each other.
func TestUpdatesOfSeveralSessions(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	a, b := created(t, f), created(t, f)
	require.NoError(t, session.Update(a, "n", func(n int) int {
		require.NoError(t, increment(b), "an Update may change another session")
		return n + 1
	}))
	var failed atomic.Int64
	done := make(chan bool)
	for _, s := range []*session.Session{a, a, b, b} {
		go func() {
			for range 500 {
				if session.Update(s, "n", func(n int) int { runtime.Gosched(); return n + 1 }) != nil {
					failed.Add(1)
				}
			}
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
	require.Zero(t, failed.Load())
	require.Equal(t, 1001, got[int](t, a, "n"))
	require.Equal(t, 1001, got[int](t, b, "n"))
}
