package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// The kinds of fault of a store call.
var faultKinds = []string{"unmade", "lost", "lost and the context ends", "another writes before", "another takes before"}

// fault is a fault of the call with a number.
type fault struct {
	at   int
	kind string
}

// run is a request whose store has faults.
type run struct {
	t      *testing.T
	f      *session.Factory
	other  *session.Factory // of another process, that meets no faults
	s      *session.Session
	cancel context.CancelFunc // of the operation under way
	faults []fault
	call   int
	stale  bool // whether a sign-in was refused, because its mark could not be read
	others bool // whether other requests have written
	took   int  // the number of times that the token was taken
	wanted int  // the number of Updates
}

func (r *run) around(ctx context.Context, _ string, do func(context.Context) error) error {
	r.call++
	for _, f := range r.faults {
		if f.at != r.call {
			continue
		}
		switch f.kind {
		case "unmade":
			return sessiontest.ErrOutage
		case "lost":
			_ = do(ctx)
			return sessiontest.ErrOutage
		case "lost and the context ends":
			_ = do(ctx)
			r.cancel()
			return context.Canceled
		case "another writes before":
			r.another(func(s *session.Session) {
				require.NoError(r.t, increment(s))
				require.NoError(r.t, s.Flush(context.Background()))
				r.wanted++
			})
		case "another takes before":
			r.another(func(s *session.Session) {
				if _, err := take(r.t, s); err == nil {
					r.took++
				}
			})
		}
	}
	return do(ctx)
}

// another serves a request of the same client in another process.
func (r *run) another(do func(*session.Session)) {
	if s, err := r.other.Retrieve(context.Background(), r.s.ID()); err == nil {
		r.others = true
		do(s)
	}
}

// do does one operation, and tries again as a caller would.
func (r *run) do(name string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.cancel = cancel
	switch name {
	case "update":
		if err := r.increment(); err != nil {
			return err
		}
		return r.s.Flush(ctx)
	case "change ID":
		if err := r.increment(); err != nil {
			return err
		}
		return r.s.ChangeID(ctx)
	case "sign in":
		if err := r.s.SignIn(ctx, "ada"); err != nil {
			return err
		}
		if err := r.increment(); err != nil {
			return err
		}
		return r.s.Flush(ctx)
	case "take":
		_, err := session.Take[string](ctx, r.s, "token")
		if err == nil {
			r.took++
		}
		return err
	case "destroy":
		return r.s.Destroy(ctx)
	}
	return r.s.Flush(ctx)
}

func (r *run) increment() error {
	err := increment(r.s)
	if err == nil {
		r.wanted++
	}
	return err
}

// check compares the stored session with what the calls have returned, after the faults are over.
func (r *run) check(destroyed bool) {
	ctx := context.Background()
	live := 0
	for key, err := range r.f.Sessions(ctx) {
		require.NoError(r.t, err)
		if !r.stale {
			require.Equal(r.t, r.s.Key(), key, "there is no other session")
		}
		live++
	}
	if r.stale { // a session that could not be ended is logged, and no client knows its ID
		return
	}
	if destroyed {
		require.Zero(r.t, live)
		return
	}
	require.Equal(r.t, 1, live)
	stored := same(r.t, r.f, r.s)
	require.Equal(r.t, r.wanted, got[int](r.t, stored, "n"), "Updates")
	if !r.others {
		require.Equal(r.t, r.wanted, got[int](r.t, r.s, "n"), "Updates, here")
	}
	if _, err := session.Take[string](ctx, stored, "token"); err == nil {
		r.took++
	}
	require.LessOrEqual(r.t, r.took, 1, "one gets the token")
}

// Whichever one or two calls of the store fail or get no answer: no Update counts twice or is lost,
// no token is taken twice, and there is one session, under the ID that the client was told.
func TestOutcomes(t *testing.T) {
	first := []string{"update", "change ID", "sign in", "take"}
	second := []string{"flush", "update", "change ID", "sign in", "take", "destroy"}
	const calls = 6
	faults := [][]fault{nil}
	for i := 1; i <= calls; i++ {
		for _, kind := range faultKinds {
			faults = append(faults, []fault{{i, kind}})
			for j := i + 1; j <= calls; j++ {
				for _, also := range faultKinds {
					faults = append(faults, []fault{{i, kind}, {j, also}})
				}
			}
		}
	}
	runs := 0
	defer func() { t.Log(runs, "runs") }()
	for kind, open := range map[string]func() driver.Store{
		"memory":   func() driver.Store { return memory.New(memory.Options{}) },
		"two step": func() driver.Store { return newInSteps() },
	} {
		for _, known := range []bool{true, false} {
			for _, a := range first {
				for _, b := range second {
					for _, fs := range faults {
						name := fmt.Sprintf("%s, known %t, %s, %s, %v", kind, known, a, b, fs)
						outcome(t, name, open(), known, a, b, fs)
						runs++
					}
				}
			}
		}
	}
}

func outcome(t *testing.T, name string, store driver.Store, known bool, a, b string, faults []fault) {
	defer func() {
		if t.Failed() {
			t.Log(name)
			t.FailNow()
		}
	}()
	r := &run{t: t}
	f, err := quiet(session.Config{SweepInterval: -1}).New(intercept.New(store, r.around))
	require.NoError(t, err)
	defer f.Close()
	r.other, err = quiet(session.Config{SweepInterval: -1}).New(store)
	require.NoError(t, err)
	defer r.other.Close()
	r.f, r.s = f, f.NewSession()
	require.NoError(t, r.s.Set("token", "t"))
	require.NoError(t, r.s.Set("n", 0))
	if known {
		require.NoError(t, r.s.Flush(context.Background()))
	}
	r.call, r.faults = 0, faults
	for _, op := range []string{a, b} {
		err := r.do(op)
		r.stale = r.stale || errors.Is(err, session.ErrStaleSignIn)
		if errors.Is(err, session.ErrNotFound) && !r.stale {
			t.Error(op, err)
		}
	}
	r.faults = nil
	last := "flush"
	if b == "destroy" {
		last = "destroy"
	}
	if err := r.do(last); err != nil {
		r.stale = r.stale || errors.Is(err, session.ErrStaleSignIn)
		if !r.stale {
			t.Error(last, err)
		}
	}
	r.check(last == "destroy")
}

// Goroutines of one request use its session while the store fails now and then: no Update counts
// twice, one goroutine gets the token, and there is at most one session.
func TestGoroutinesOfARequest(t *testing.T) {
	ctx := t.Context()
	for seed := range uint64(150) {
		var mu sync.Mutex // guards what follows
		random := rand.New(rand.NewPCG(seed, 0))
		faulty := true
		draw := func(n int) int {
			mu.Lock()
			defer mu.Unlock()
			return random.IntN(n)
		}
		around := func(ctx context.Context, _ string, do func(context.Context) error) error {
			mu.Lock()
			n := random.IntN(8)
			now := faulty
			mu.Unlock()
			switch {
			case now && n == 0:
				_ = do(ctx)
				return sessiontest.ErrOutage
			case now && n == 1:
				return sessiontest.ErrOutage
			}
			return do(ctx)
		}
		f := factory(t, quiet(session.Config{SweepInterval: -1}), intercept.New(memory.New(memory.Options{}), around))
		s := f.NewSession()
		require.NoError(t, s.Set("token", "t"))
		var wanted, taken, stale atomic.Int32
		note := func(err error) {
			if errors.Is(err, session.ErrStaleSignIn) {
				stale.Add(1)
			}
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 6 {
					switch draw(6) {
					case 0:
						note(s.Flush(ctx))
					case 1:
						note(s.ChangeID(ctx))
					case 2:
						if s.SignIn(ctx, "ada") == nil {
							note(s.Flush(ctx))
						}
					case 3:
						_, err := session.Take[string](ctx, s, "token")
						if note(err); err == nil {
							taken.Add(1)
						}
					default:
						if increment(s) == nil {
							wanted.Add(1)
						}
					}
				}
			})
		}
		wg.Wait()
		mu.Lock()
		faulty = false
		mu.Unlock()
		note(s.Flush(ctx))
		require.LessOrEqual(t, taken.Load(), int32(1))
		if stale.Load() > 0 {
			continue
		}
		require.NoError(t, s.Flush(ctx), "seed %d", seed)
		if s.ID().Reveal() == "" {
			continue
		}
		again := same(t, f, s)
		n, _ := session.Get[int](again, "n")
		require.EqualValues(t, wanted.Load(), n, "seed %d", seed)
		live := 0
		for range f.Sessions(ctx) {
			live++
		}
		require.Equal(t, 1, live, "seed %d", seed)
	}
}
