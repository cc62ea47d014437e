package session_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// Whatever happens to many sessions at the same time, the context of each session that ends is done in
// the end, no other context is, and nothing is left of them.
func TestContextsInAStorm(t *testing.T) {
	const count, workers, steps = 300, 8, 400
	f := factory(t, quiet(session.Config{SweepInterval: -1, WatchInterval: 100 * time.Millisecond}), memory.New(memory.Options{}))
	sessions := make([]*session.Session, count)
	subject := func(i int) string { return "user:" + strconv.Itoa(i%(count/3)) }
	for i := range sessions {
		sessions[i] = signedIn(t, f, subject(i))
	}
	untouched := created(t, f)
	spared := contextOf(t, t.Context(), untouched)
	parent, end := context.WithCancel(t.Context())
	defer end()

	var mu sync.Mutex // guards contexts
	var contexts []context.Context
	var wg, listeners sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			ctx, random := t.Context(), rand.New(rand.NewPCG(1, uint64(w)))
			for range steps {
				i := random.IntN(count)
				s := sessions[i]
				switch random.IntN(10) {
				case 0:
					_ = s.ChangeID(ctx)
				case 1:
					if other, err := f.Retrieve(ctx, s.ID()); err == nil {
						_ = other.ChangeID(ctx)
					}
				case 2:
					_ = f.Destroy(ctx, s.Key())
				case 3:
					if random.IntN(20) == 0 {
						_ = f.DestroySubject(ctx, subject(i))
					}
				case 4:
					_ = s.SignIn(ctx, subject(i+1))
					_ = s.Flush(ctx)
				default:
					within, cancel := context.WithCancel(parent)
					watched, release := s.Context(within)
					listeners.Add(1)
					context.AfterFunc(watched, func() {
						defer listeners.Done()
						_, _ = s.Subject(), s.Set("n", 1)
						release()
						cancel()
					})
					if random.IntN(3) == 0 {
						cancel()
					}
					mu.Lock()
					contexts = append(contexts, watched)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, context.Cause(spared))
	for i := range count / 2 {
		_ = sessions[i].Destroy(t.Context())
	}
	end()
	require.NoError(t, f.Close())
	for _, ctx := range contexts {
		<-ctx.Done()
	}
	listeners.Wait()
	require.ErrorIs(t, context.Cause(spared), session.ErrClosed)
	require.Eventually(t, func() bool { return f.Watched() == 0 }, time.Minute, time.Millisecond)
}
