package writenumber_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/writenumber"
)

// after returns the numbers after further writes with the given numbers.
func after(l writenumber.Last, numbers ...uint64) writenumber.Last {
	for _, n := range numbers {
		l = l.With(n)
	}
	return l
}

func TestHas(t *testing.T) {
	require.False(t, writenumber.Last{}.Has(0))
	l := after(writenumber.Last{}, 1, 2, 3, 4)
	for n := range uint64(6) {
		require.Equal(t, 1 <= n && n <= 4, l.Has(n), n)
	}
	later := l.With(5)
	require.False(t, later.Has(1), "the oldest number is dropped")
	require.True(t, later.Has(2))
	require.True(t, later.Has(5))
	require.True(t, l.Has(1), "With changes a copy")
}

func TestTellsSince(t *testing.T) {
	var none writenumber.Last
	require.True(t, none.TellsSince(none))
	before := none.With(1)
	for n, want := range map[int]bool{0: true, 1: true, 2: true, 3: true, 4: false, 5: false} {
		l := after(before, []uint64{2, 3, 4, 5, 6}[:n]...)
		require.Equal(t, want, l.TellsSince(before), "after %d writes", n)
		require.Equal(t, n < 3, l.TellsSince(none), "after %d writes since the record had no number", n+1)
	}
}

func TestParse(t *testing.T) {
	for n := range 6 {
		l := after(writenumber.Last{}, []uint64{1 << 63, 2, 3, 4, 5}[:n]...)
		b := l.AppendTo([]byte("x"))
		got, rest, ok := writenumber.Parse(append(b[1:], "rest"...))
		require.True(t, ok)
		require.Equal(t, l, got)
		require.Equal(t, "rest", string(rest))
		for cut := 1; cut < len(b); cut++ {
			_, rest, ok = writenumber.Parse(b[1:cut])
			require.False(t, ok, "%d of %d bytes", cut-1, len(b)-1)
			require.Equal(t, b[1:cut], rest)
		}
	}
	_, _, ok := writenumber.Parse(append([]byte{5}, make([]byte, 40)...))
	require.False(t, ok, "more numbers than are kept")
}

func TestNew(t *testing.T) { require.NotEqual(t, writenumber.New(), writenumber.New()) }
