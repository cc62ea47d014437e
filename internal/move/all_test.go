package move_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/move"
)

// filled returns a store with n sessions and a record that is not a session's.
func filled(t *testing.T, n int) driver.Store {
	t.Helper()
	store := memory.New(memory.Options{})
	for i := range n {
		require.NoError(t, store.Create(t.Context(), &driver.Record{Key: fmt.Sprint("session-", i), Data: []byte("{}"), Created: time.Now(), Expires: time.Now().Add(time.Hour)}))
	}
	require.NoError(t, store.Create(t.Context(), &driver.Record{Key: "mark", Created: time.Now(), Expires: time.Now().Add(time.Hour)}))
	return store
}

func keys(t *testing.T, store driver.Store) (keys []string) {
	t.Helper()
	for key, err := range store.Sessions(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

func all(parallel int, progress func(move.Progress)) move.All {
	return move.All{Parallel: parallel, Counts: func(key string) bool { return strings.HasPrefix(key, "session-") }, Progress: progress}
}

// failing is a store whose Create fails for some keys.
type failing struct {
	driver.Store
	create func(key string) error
}

func (s failing) Create(ctx context.Context, r *driver.Record) error {
	if err := s.create(r.Key); err != nil {
		return err
	}
	return s.Store.Create(ctx, r)
}

func TestAll(t *testing.T) {
	for _, parallel := range []int{1, 3, 50} {
		from, to := filled(t, 20), memory.New(memory.Options{})
		var told []move.Progress
		done, err := all(parallel, func(p move.Progress) { told = append(told, p) }).Move(t.Context(), to, from)
		require.NoError(t, err)
		require.Equal(t, move.Progress{Total: 20, Done: 20, Moved: 20}, done)
		require.Len(t, told, 20)
		for i, p := range told {
			require.Equal(t, move.Progress{Total: 20, Done: i + 1, Moved: i + 1}, p)
		}
		require.Empty(t, keys(t, from))
		require.Len(t, keys(t, to), 21)

		done, err = all(parallel, nil).Move(t.Context(), to, from)
		require.NoError(t, err)
		require.Zero(t, done, "there is nothing left to move")
	}
}

// Sessions that the new store can't hold stay. Any other error ends Move, and the next Move
// continues.
func TestAllFails(t *testing.T) {
	from, inner := filled(t, 20), memory.New(memory.Options{})
	outage := errors.New("outage")
	to := failing{inner, func(key string) error {
		switch key {
		case "session-3":
			return driver.ErrTooLarge
		case "session-7":
			return outage
		}
		return nil
	}}
	done, err := all(1, nil).Move(t.Context(), to, from)
	require.ErrorIs(t, err, outage)
	require.Less(t, done.Done, 20)
	to.create = func(key string) error {
		if key == "session-3" {
			return driver.ErrTooLarge
		}
		return nil
	}
	_, err = all(4, nil).Move(t.Context(), to, from)
	require.NoError(t, err)
	require.Len(t, keys(t, inner), 20)
	done, err = all(4, nil).Move(t.Context(), to, from)
	require.NoError(t, err)
	require.Equal(t, move.Progress{Total: 1, Done: 1, Left: 1}, done)
	require.Equal(t, []string{"session-3"}, keys(t, from))
}

// Progress can cancel the context of Move; then no further session moves.
func TestAllIsCanceled(t *testing.T) {
	from, to := filled(t, 20), memory.New(memory.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done, err := all(1, func(p move.Progress) {
		if p.Done == 5 {
			cancel()
		}
	}).Move(ctx, to, from)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 5, done.Done)
	require.LessOrEqual(t, len(keys(t, to)), 6)
}

// silent is a store whose listing never answers.
type silent struct{ driver.Store }

func (silent) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		<-ctx.Done()
		yield("", ctx.Err())
	}
}

func TestAllEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := all(1, nil).Move(t.Context(), memory.New(memory.Options{}), silent{filled(t, 1)})
		require.ErrorContains(t, err, "the store gave no answer within 10s")
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestAllToItself(t *testing.T) {
	store := filled(t, 3)
	_, err := all(1, nil).Move(t.Context(), store, store)
	require.ErrorContains(t, err, "the two stores are one backend")
	require.Len(t, keys(t, store), 4)
}
