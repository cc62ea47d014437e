package stack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/stack"
)

type caller struct{}

func (*caller) call(depth int, do func()) {
	if depth == 0 {
		do()
		return
	}
	(&caller{}).call(depth-1, do)
}

func once(do func()) { do() }

func TestCalls(t *testing.T) {
	require.Zero(t, stack.Calls(once))
	once(func() {
		require.Equal(t, 1, stack.Calls(once))
		require.Zero(t, stack.Calls((*caller).call))
	})
	for _, depth := range []int{0, 1, 62, 63, 64, 1000} {
		(&caller{}).call(depth, func() {
			once(func() {
				require.Equal(t, depth+1, stack.Calls((*caller).call))
				require.Equal(t, 1, stack.Calls(once))
			})
		})
	}
}

// Calls on another goroutine's stack do not count, even if it started this one.
func TestCallsOfAnotherGoroutine(t *testing.T) {
	calls := make(chan int)
	once(func() {
		go func() { calls <- stack.Calls(once) }()
		require.Zero(t, <-calls)
	})
}
