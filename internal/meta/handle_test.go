package meta

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHandle(t *testing.T) {
	require.Empty(t, Handle{}.String())
	seen := map[Handle]bool{}
	for range 100 {
		h, err := NewHandle()
		require.NoError(t, err)
		require.False(t, seen[h])
		seen[h] = true
		require.Len(t, h.String(), 22)
		require.True(t, IsHandle(h.String()))
	}
	require.Equal(t, handleOf("a"), handleOf("a"))
	require.NotEqual(t, handleOf("a"), handleOf("b"))

	h, err := NewHandle()
	require.NoError(t, err)
	for _, text := range []string{"", "x", h.String()[1:], h.String() + "A", h.String() + "==", strings.Repeat("A", 43), h.String()[1:] + "*", h.String()[1:] + "\n"} {
		require.False(t, IsHandle(text), "%q", text)
	}
}
