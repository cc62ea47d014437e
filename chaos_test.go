package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

// Six requests of one client, with three goroutines each, do everything at once that can be done
// to a session. The store fails, and has conflicts, at random. Each acknowledged change is stored
// exactly once.
func TestChaos(t *testing.T) {
	for seed := range uint64(20) {
		for kind, store := range stores() {
			t.Run(fmt.Sprint(kind, "/", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { chaos(t, seed, store) })
			})
		}
	}
}

func chaos(t *testing.T, seed uint64, store driver.Store) {
	ctx := t.Context()
	p := newProbe()
	p.Store = store
	var wrapped driver.Store = p
	if _, touches := store.(driver.Toucher); !touches {
		wrapped = bare{p}
	}
	f := factory(t, session.Config{SweepInterval: -1, StoreTimeout: time.Minute}, wrapped)
	s := created(t, f)
	outage := errors.New("connection refused")
	var mu sync.Mutex // guards rnd, increments, stuck, and made and stored of all sessions
	rnd := rand.New(rand.NewPCG(seed, 0))
	p.intercept(func(_ context.Context, call string) error {
		mu.Lock()
		n := rnd.IntN(20)
		mu.Unlock()
		time.Sleep(time.Duration(n) * time.Microsecond)
		switch {
		case n == 0:
			return outage
		case n == 1 && (call == "Flush" || call == "ChangeID"):
			return driver.ErrConflict
		}
		return nil
	})

	const sessions = 4
	increments, stuck := 0, map[int]func() int{}
	var wg sync.WaitGroup
	for g := range sessions {
		mine, err := f.Retrieve(ctx, s.ID())
		for errors.Is(err, outage) {
			mine, err = f.Retrieve(ctx, s.ID())
		}
		require.NoError(t, err)
		made, stored := 0, 0 // increments of this session, and those that a flush has confirmed
		flush := func() error {
			mu.Lock()
			before := made
			mu.Unlock()
			err := mine.Flush(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				stored = max(stored, before)
			} else if !errors.Is(err, outage) { // later writes hide the outcome of a write without an answer
				require.ErrorIs(t, err, session.ErrUnavailable)
				stuck[g] = func() int { return made - stored }
			}
			return err
		}
		for h := range 3 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, uint64(10*g+h+1)))
				for i := range 30 {
					switch rnd.IntN(6) {
					case 0:
						require.NoError(t, mine.Set(fmt.Sprint("own", g, h), i))
					case 1:
						require.NoError(t, mine.SetTimeouts(session.Timeouts{Idle: time.Hour, Lifetime: 2 * time.Hour}))
					case 2:
						_ = flush()
					case 3:
						require.NoError(t, mine.Delete("nobody's"))
					default:
						require.NoError(t, session.Update(mine, "n", func(n int) int { return n + 1 }))
						mu.Lock()
						increments++
						made++
						mu.Unlock()
					}
				}
				require.NoError(t, mine.Set(fmt.Sprint("own", g, h), "last"))
				for errors.Is(flush(), outage) {
				}
			})
		}
	}
	wg.Wait()

	p.intercept(nil)
	got := values(t, same(t, f, s))
	unsure := 0
	for _, unstored := range stuck {
		unsure += unstored()
	}
	require.LessOrEqual(t, got["n"], float64(increments))
	require.GreaterOrEqual(t, got["n"], float64(increments-unsure))
	t.Logf("%d increments, %d of them of unknown outcome", increments, unsure)
	for g := range sessions {
		if stuck[g] != nil {
			continue
		}
		for h := range 3 {
			require.Equal(t, "last", got[fmt.Sprint("own", g, h)])
		}
	}
}
