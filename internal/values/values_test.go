package values

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// list returns a list of values from alternating names and data.
func list(namesAndData ...string) List {
	var vs List
	for pair := range slices.Chunk(namesAndData, 2) {
		vs.Set(pair[0], []byte(pair[1]))
	}
	return vs
}

// A list stays sorted, and changes to a copy do not affect the original.
func TestList(t *testing.T) {
	var vs List
	for _, name := range []string{"m", "z", "a", "m", "b"} {
		vs.Set(name, []byte("of "+name))
	}
	draft := slices.Clone(vs)
	draft.Set("m", []byte("changed"))
	draft.Set("c", []byte("new"))
	draft.Delete("a")
	draft.Delete("unknown")

	require.Len(t, vs, 4)
	require.True(t, slices.IsSortedFunc(vs, func(a, b Value) int { return strings.Compare(string(a.Name), string(b.Name)) }))
	for _, name := range []string{"a", "b", "m", "z"} {
		data, found := vs.Get(name)
		require.True(t, found)
		require.Equal(t, "of "+name, string(data))
	}
	_, found := vs.Get("c")
	require.False(t, found)
	require.Equal(t, list("b", "of b", "c", "new", "m", "changed", "z", "of z"), draft)
}
