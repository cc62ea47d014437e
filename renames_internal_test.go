package session

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"gosession.dev/session/driver"

	"github.com/stretchr/testify/require"
)

// The memory that renames take is bounded, whether they fail, repeat or succeed.
func TestRenamesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r renames
		for i := range maxRenames + 1000 {
			r.add(strconv.Itoa(i), "to", true)
			r.add(strconv.Itoa(i), "to", true)
		}
		require.InDelta(t, maxRenames, len(r.byKey), 1)
		require.InDelta(t, maxRenames, len(r.order), 1)
		_, err := r.find("0")
		require.ErrorIs(t, err, ErrNotFound)
		last := strconv.Itoa(maxRenames + 999)
		time.Sleep(driver.MarkLifetime)
		found, err := r.find(last)
		require.NoError(t, err)
		require.Equal(t, driver.Rename{To: "to", Age: driver.MarkLifetime}, found)
		time.Sleep(time.Millisecond)
		_, err = r.find(last)
		require.ErrorIs(t, err, ErrNotFound)
		r.add("new", "to", true)
		require.Equal(t, 1, len(r.byKey))
		require.Equal(t, 1, len(r.order))
	})
}
