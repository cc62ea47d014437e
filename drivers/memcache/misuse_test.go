package memcache

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The calls of a store that was not made by New or Open return an error that says so.
func TestNotMade(t *testing.T) {
	for _, s := range []*Store{{}, nil} {
		for name, err := range calls(t, s) {
			require.ErrorIs(t, err, errNotMade, name)
		}
		require.NoError(t, s.Close())
		require.NotEmpty(t, s.Loses())
	}
}
