package bounded_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/bounded"
)

// hang is a call of a store that answers only when its context ends.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestCall(t *testing.T) {
	outage := errors.New("connection refused")
	require.NoError(t, bounded.Call(t.Context(), time.Minute, func(context.Context) error { return nil }))
	require.Equal(t, outage, bounded.Call(t.Context(), time.Minute, func(context.Context) error { return outage }))
}

func TestCallIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		for name, tt := range map[string]struct {
			do   func(context.Context) error
			want string
		}{
			"bare": {hang, "the store gave no answer within 3s"},
			"wrapped": {func(ctx context.Context) error { return fmt.Errorf("dial: %w", hang(ctx)) },
				"the store gave no answer within 3s: dial: context deadline exceeded"},
			"never waits": {func(ctx context.Context) error { time.Sleep(3 * time.Second); return ctx.Err() },
				"the store gave no answer within 3s"},
			"of a context derived from it": {func(ctx context.Context) error {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				return hang(ctx)
			}, "the store gave no answer within 3s"},
			"nested": {func(ctx context.Context) error { return bounded.Call(ctx, time.Minute, hang) },
				"the store gave no answer within 3s"},
		} {
			start := time.Now()
			err := bounded.Call(t.Context(), 3*time.Second, tt.do)
			require.EqualError(t, err, tt.want, name)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			noAnswer, is := errors.AsType[bounded.NoAnswerError](err)
			require.True(t, is, name)
			require.Equal(t, 3*time.Second, noAnswer.After, name)
			require.Equal(t, 3*time.Second, time.Since(start), name)
		}
		err := bounded.Call(t.Context(), time.Second, func(ctx context.Context) error { _ = hang(ctx); return refused })
		require.Equal(t, refused, err, "an error that is not about the time stays as it is")
	})
}

// The inner of two nested calls ends first, and the error says so once.
func TestCallInCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := bounded.Call(t.Context(), time.Minute, func(ctx context.Context) error {
			err := bounded.Call(ctx, time.Second, hang)
			time.Sleep(time.Hour)
			return err
		})
		require.EqualError(t, err, "the store gave no answer within 1s")
	})
}

func TestCallUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := bounded.CallUntil(t.Context(), start.Add(time.Second), bounded.NoAnswerError{After: time.Hour}, hang)
		require.EqualError(t, err, "the store gave no answer within 1h0m0s")
		require.Equal(t, time.Second, time.Since(start))
	})
}

// The end of the caller's own context is not the store's fault.
func TestCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the user has closed the tab")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		require.Equal(t, context.Canceled, bounded.Call(ctx, time.Minute, hang))

		short, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		require.Equal(t, context.DeadlineExceeded, bounded.Call(short, time.Minute, hang))
	})
}

// A context derived from the context of a call ends with the call.
func TestContextOfCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		for name, waits := range map[string]bool{"waited for": true, "not waited for": false} {
			var kept context.Context
			ctx := context.WithValue(t.Context(), key{}, "value")
			require.NoError(t, bounded.Call(ctx, time.Minute, func(ctx context.Context) error {
				deadline, ok := ctx.Deadline()
				require.True(t, ok, name)
				require.Equal(t, time.Now().Add(time.Minute), deadline, name)
				require.Equal(t, "value", ctx.Value(key{}), name)
				require.NoError(t, ctx.Err(), name)
				if waits {
					require.NotNil(t, ctx.Done(), name)
				}
				kept = ctx
				return nil
			}))
			require.ErrorIs(t, kept.Err(), context.Canceled, name)
			<-kept.Done()
			derived, cancel := context.WithCancel(kept)
			<-derived.Done()
			cancel()
			require.Equal(t, "value", kept.Value(key{}), name)
		}
		earlier, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, bounded.Call(earlier, time.Minute, func(ctx context.Context) error {
			deadline, _ := ctx.Deadline()
			require.Equal(t, time.Now().Add(time.Second), deadline)
			return nil
		}))
	})
}

// A call that does not wait for its context allocates no timer.
func TestCallAllocates(t *testing.T) {
	ctx, until, noAnswer := t.Context(), time.Now().Add(time.Hour), error(bounded.NoAnswerError{After: time.Hour})
	do := func(ctx context.Context) error { return ctx.Err() }
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = bounded.CallUntil(ctx, until, noAnswer, do) }), 1.0)
}

func TestCallerEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_ = bounded.Call(ctx, time.Second, func(within context.Context) error {
			return bounded.Call(within, time.Minute, func(within context.Context) error {
				require.ErrorIs(t, hang(within), context.DeadlineExceeded)
				require.False(t, bounded.CallerEnded(within), "the time is over, and the caller is still there")
				cancel()
				require.True(t, bounded.CallerEnded(within))
				return nil
			})
		})
		require.True(t, bounded.CallerEnded(ctx))
		require.False(t, bounded.CallerEnded(t.Context()))
	})
}

// listing returns a listing that takes the time each for every key and then fails with end, if
// end is not nil.
func listing(each time.Duration, keys []string, end error) func(context.Context) iter.Seq2[string, error] {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for _, key := range keys {
				select {
				case <-time.After(each):
				case <-ctx.Done():
					yield("", ctx.Err())
					return
				}
				if !yield(key, nil) {
					return
				}
			}
			if end != nil {
				yield("", end)
			}
		}
	}
}

// Each step is bounded; the time between two steps, which the caller spends, is not.
func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outage := errors.New("connection refused")
		var got []string
		var ended error
		for key, err := range bounded.List(t.Context(), time.Second, listing(900*time.Millisecond, []string{"a", "b", "c"}, outage)) {
			if ended = err; err == nil {
				got = append(got, key)
			}
			time.Sleep(time.Hour)
		}
		require.Equal(t, []string{"a", "b", "c"}, got)
		require.Equal(t, outage, ended)
	})
}

func TestListIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, n := time.Now(), 0
		for _, err := range bounded.List(t.Context(), time.Second, listing(time.Minute, []string{"a"}, nil)) {
			n++
			require.EqualError(t, err, "the store gave no answer within 1s")
		}
		require.Equal(t, 1, n)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// The first error ends a listing, even if the store would go on.
func TestListEndsWithFirstError(t *testing.T) {
	list := func(context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for yield("", errors.New("connection refused")) {
			}
		}
	}
	n := 0
	for _, err := range bounded.List(t.Context(), time.Minute, list) {
		n++
		require.Error(t, err)
	}
	require.Equal(t, 1, n)
}

func TestListOfNothing(t *testing.T) {
	n := 0
	for _, err := range bounded.List(t.Context(), time.Minute, func(context.Context) iter.Seq2[string, error] { return nil }) {
		n++
		require.ErrorContains(t, err, "the store returned a nil sequence; its driver must return a sequence")
	}
	require.Equal(t, 1, n)
}

func TestCaller(t *testing.T) {
	type ends interface {
		Caller() (caller context.Context, until time.Time)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		_ = bounded.Call(ctx, time.Second, func(outer context.Context) error {
			for within, want := range map[time.Duration]time.Duration{time.Minute: time.Second, time.Millisecond: time.Millisecond} {
				_ = bounded.Call(outer, within, func(inner context.Context) error {
					caller, until := inner.(ends).Caller()
					require.Equal(t, ctx, caller)
					require.Equal(t, want, time.Until(until))
					return nil
				})
			}
			return nil
		})
	})
}
