package drivertest_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/internal/faulty"
	"gosession.dev/session/drivertest/internal/netstore"
	"gosession.dev/session/drivertest/internal/recorder"
)

// A mutant without a fault passes all checks. It runs in the same bubbles as the mutants, and
// behind the same layer.
func TestCorrectStoreFailsNothing(t *testing.T) {
	for _, c := range drivertest.Checks() {
		r := record(t, c, faulty.Mutant{}.Target())
		require.False(t, r.Failed(), "%s:\n%s", c.Name, r.Text())
		require.Equal(t, c.Needs == drivertest.ClientSide || needsNetwork(c), r.Skipped(), c.Name)
	}
}

// Every check has exactly one mutant in faulty.Mutants or netstore.Mutants, or one in
// TestClientSideMutants. The tables More have further mutants, from experience.
func TestEveryCheckHasItsMutant(t *testing.T) {
	count := map[string]int{}
	for _, m := range faulty.Mutants {
		count[m.Kills]++
	}
	for _, m := range netstore.Mutants {
		count[m.Kills]++
	}
	for _, c := range drivertest.Checks() {
		if c.Needs == drivertest.ClientSide {
			continue
		}
		require.Equal(t, 1, count[c.Name], "mutants of %s", c.Name)
		delete(count, c.Name)
	}
	require.Empty(t, count, "mutants name checks that do not exist")
}

// requireKilled requires that the check c has found the fault of a mutant.
func requireKilled(t *testing.T, c drivertest.Check, r *recorder.TB) {
	t.Helper()
	assert.True(t, r.Failed(), "the mutant passes %s; want it to fail", c.Name)
	assert.Contains(t, r.Text(), c.Rule)
}

// requirePassed requires that a mutant passes the check c, to which its fault is not related. If
// calls race, or the machine is slow, c may meet the fault by chance, so it has three tries.
func requirePassed(t *testing.T, c drivertest.Check, run func() *recorder.TB) {
	t.Helper()
	var r *recorder.TB
	for range 3 {
		if r = run(); !r.Failed() {
			return
		}
	}
	t.Errorf("%s fails too:\n%s", c.Name, r.Text())
}

// Each mutant fails its check, which prints its rule, and passes all checks that are not
// related to the fault. The second half takes most of the time; -short leaves it out.
func TestMutants(t *testing.T) {
	for _, m := range slices.Concat(faulty.Mutants, faulty.More) {
		t.Run(m.Kills+": "+m.Fault, func(t *testing.T) {
			t.Parallel()
			for _, c := range drivertest.Checks() {
				if needsNetwork(c) || testing.Short() && c.Name != m.Kills || m.OnlyDead() && c.Given != "DeadDSN" {
					continue
				}
				run := func() *recorder.TB { return record(t, c, m.Target()) }
				if c.Name == m.Kills {
					requireKilled(t, c, run())
				} else if !slices.Contains(m.Also, c.Name) {
					requirePassed(t, c, run)
				}
			}
		})
	}
}
