package keylock

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// Each holder gets the record of the previous one, and no lock remains after the last.
func TestLocksHandOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ls Locks
		ctx, until := t.Context(), time.Now().Add(time.Hour)
		first := ls.Acquire(ctx, "a", until)
		require.Nil(t, first.Record())
		var order []uint64
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				l := ls.Acquire(ctx, "a", until)
				order = append(order, l.Record().Version)
				time.Sleep(time.Second)
				l.Release(&driver.Record{Version: l.Record().Version + 1})
			})
		}
		synctest.Wait()
		require.Empty(t, order, "the lock is held")
		first.Release(&driver.Record{Version: 1})
		wg.Wait()
		require.Equal(t, []uint64{1, 2, 3, 4, 5}, order)
		require.Empty(t, ls.byKey)
		require.Nil(t, ls.Acquire(ctx, "a", until).Record(), "no goroutine was waiting when the last holder released")
	})
}

func TestLocksOfOtherKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ls Locks
		start := time.Now()
		a := ls.Acquire(t.Context(), "a", start.Add(time.Hour))
		b := ls.Acquire(t.Context(), "b", start.Add(time.Hour))
		require.NotNil(t, a)
		require.NotNil(t, b)
		require.Equal(t, start, time.Now())
	})
}

// A goroutine that gives up does not count as a user any more.
func TestLocksGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ls Locks
		start := time.Now()
		held := ls.Acquire(t.Context(), "a", start.Add(time.Hour))
		require.Nil(t, ls.Acquire(t.Context(), "a", start.Add(time.Second)))
		require.Equal(t, time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Nil(t, ls.Acquire(ctx, "a", start.Add(time.Hour)))
		require.Equal(t, 2*time.Second, time.Since(start))

		held.Release(nil)
		require.Empty(t, ls.byKey)
	})
}
