package drivertest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// mutant is a store with one fault, and the check that has to notice it.
type mutant struct {
	kills string // the check that fails, by its rule
	fault string
	also  []string // checks that may fail too, because they meet the same fault on their way

	dead bool // the fault is in a store whose server is dead, and in no other

	// One of these makes the fault: in an opened store, in Open, or in what the
	// target says about it.
	breaks func(*store)
	open   func(d *faultyDriver, dsn string) (driver.Store, error)
	target func(*Target)
}

func (m mutant) name() string { return m.kills + ": " + m.fault }

func (m mutant) targetOf() Target {
	tgt := memoryTarget()
	tgt.Driver = &faultyDriver{fault: m}
	tgt.DeadDSN = func(testing.TB) string { return deadDSN }
	if m.target != nil {
		m.target(&tgt)
	}
	return tgt
}

// A correct store fails nothing, in the same bubbles and behind the same layer
// as the mutants.
func TestCorrectStoreFailsNothing(t *testing.T) {
	for _, c := range checks {
		r := record(t, c, mutant{}.targetOf())
		require.False(t, r.Failed(), "%s:\n%s", c.name, r.text())
		require.Equal(t, c.needs == ClientSide, r.Skipped(), c.name)
	}
}

// Every check has one mutant in the table of mutants, or among the mutants of
// stores that keep records with the client. More of them, from experience, are in
// moreMutants.
func TestEveryCheckHasItsMutant(t *testing.T) {
	count := map[string]int{}
	for _, m := range mutants {
		count[m.kills]++
	}
	for _, c := range checks {
		if c.needs == ClientSide {
			continue
		}
		require.Equal(t, 1, count[c.name], "mutants of %s", c.name)
		delete(count, c.name)
	}
	require.Empty(t, count, "mutants of checks that there are not")
}

// Each mutant is killed by its check, for the reason that this gives, and by no
// check that has nothing to do with it. The second half takes most of the time
// and is left out by -short.
func TestMutants(t *testing.T) {
	for _, m := range slices.Concat(mutants, moreMutants) {
		t.Run(m.name(), func(t *testing.T) {
			t.Parallel()
			for _, c := range checks {
				if testing.Short() && c.name != m.kills {
					continue
				}
				r := record(t, c, m.targetOf())
				switch {
				case c.name == m.kills:
					require.True(t, r.Failed(), "%s lets the mutant live", c.name)
					require.Contains(t, r.text(), c.rule)
				case r.Failed() && !slices.Contains(m.also, c.name):
					t.Errorf("%s fails too:\n%s", c.name, r.text())
				}
			}
		})
	}
}
