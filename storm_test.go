package session_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

// Many requests change one session at the same time, on a store that is as slow as one in another
// city. All of them succeed, and each one writes about once.
func TestConflictStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sessiontest.Wrap(t, memory.New(memory.Options{}))
		f := factory(t, session.Config{SweepInterval: -1}, store)
		s := created(t, f)
		store.Inject(sessiontest.Fault{Delay: 100 * time.Millisecond})
		const updates = 50
		var wg sync.WaitGroup
		for range updates {
			wg.Go(func() {
				mine, err := f.Retrieve(context.Background(), s.ID())
				require.NoError(t, err)
				require.NoError(t, session.Update(mine, "n", func(n int) int { return n + 1 }))
				require.NoError(t, mine.Flush(context.Background()))
			})
		}
		wg.Wait()
		calls := store.TakeCalls()
		store.Heal()
		n, err := session.Get[int](same(t, f, s), "n")
		require.NoError(t, err)
		require.Equal(t, updates, n)
		require.LessOrEqual(t, calls["Flush"], 2*updates)
		require.LessOrEqual(t, calls["Retrieve"], updates+5)
	})
}
