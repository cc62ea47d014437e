package renames

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

func TestFind(t *testing.T) {
	var m Memory
	_, err := m.Find("old", 0)
	require.ErrorIs(t, err, driver.ErrNotFound)

	m.Add("old", "new", true, time.Minute)
	found, err := m.Find("old", time.Hour/10)
	require.NoError(t, err)
	require.Equal(t, driver.Rename{To: "new", Age: 5 * time.Minute}, found)
	_, err = m.Find("new", time.Minute)
	require.ErrorIs(t, err, driver.ErrNotFound)
}

// A rename that has happened replaces one that may have happened, but not the reverse.
func TestAddOfUnknownOutcome(t *testing.T) {
	var m Memory
	to := func() string {
		found, err := m.Find("old", 0)
		require.NoError(t, err)
		return found.To
	}
	m.Add("old", "perhaps", false, 0)
	require.Equal(t, "perhaps", to())
	m.Add("old", "also perhaps", false, 0)
	require.Equal(t, "perhaps", to())
	m.Add("old", "certain", true, 0)
	require.Equal(t, "certain", to())
	m.Add("old", "late", false, 0)
	require.Equal(t, "certain", to())
}

// The number of renames is bounded, also when keys repeat.
func TestMemoryIsBounded(t *testing.T) {
	var m Memory
	now := time.Hour
	for i := range maxRenames + 1000 {
		m.Add(strconv.Itoa(i), "to", true, now)
		m.Add(strconv.Itoa(i), "to", true, now)
	}
	require.Len(t, m.byKey, maxRenames)
	require.Len(t, m.order, maxRenames)
	_, err := m.Find("0", now)
	require.ErrorIs(t, err, driver.ErrNotFound)
	last := strconv.Itoa(maxRenames + 999)
	now += driver.MarkLifetime
	found, err := m.Find(last, now)
	require.NoError(t, err)
	require.Equal(t, driver.Rename{To: "to", Age: driver.MarkLifetime}, found)
	now += time.Millisecond
	_, err = m.Find(last, now)
	require.ErrorIs(t, err, driver.ErrNotFound)
	m.Add("new", "to", true, now)
	require.Len(t, m.byKey, 1)
	require.Len(t, m.order, 1)
}
