package mongo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The calls of a store that was not made by New or Open return an error that says so; they neither
// panic nor block.
func TestNotMade(t *testing.T) {
	for _, s := range []*Store{{}, nil} {
		for name, err := range calls(t, s) {
			require.ErrorContains(t, err, "not made by New", name)
		}
		require.NoError(t, s.Close())
	}
}
