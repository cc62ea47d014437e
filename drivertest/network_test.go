package drivertest_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/internal/netstore"
	"gosession.dev/session/drivertest/internal/recorder"
)

// needsNetwork reports whether c needs a server, and so can't run in a bubble.
func needsNetwork(c drivertest.Check) bool { return c.Given == "Proxy" || c.Given == "Restart" }

// recordOutside runs c on tgt in real time, and returns what c has reported.
func recordOutside(t *testing.T, c drivertest.Check, tgt drivertest.Target) *recorder.TB {
	return recorder.Run(t, func(tb testing.TB) { c.Run(tb, tgt) })
}

func TestCorrectNetworkStoresFailNothing(t *testing.T) {
	for name, legal := range map[string]netstore.Faults{"correct": {}, "can't list": {CannotList: true}} {
		for _, c := range drivertest.Checks() {
			if needsNetwork(c) {
				r := recordOutside(t, c, netstore.Mutant{Faults: legal}.Target())
				require.False(t, r.Failed(), "%s, %s:\n%s", name, c.Name, r.Text())
				require.False(t, r.Skipped(), c.Name)
			}
		}
	}
}

// TestNetworkMutants is TestMutants for the checks that can't run in a bubble. The mutants mostly
// wait, so many checks run at once.
func TestNetworkMutants(t *testing.T) {
	const atOnce = 24
	running := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, m := range slices.Concat(netstore.Mutants, netstore.More) {
		wg.Go(func() {
			t.Run(m.Kills+": "+m.Fault, func(t *testing.T) {
				if m.Races && raceDetector {
					t.Skip("the race detector reports the fault")
				}
				killNetworkMutant(t, m, i >= len(netstore.Mutants) || testing.Short(), running)
			})
		})
	}
	wg.Wait()
}

// killNetworkMutant checks that m fails its check and, unless only is set, passes all others. Each
// check that runs is an element of running.
func killNetworkMutant(t *testing.T, m netstore.Mutant, only bool, running chan struct{}) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range drivertest.Checks() {
		if !needsNetwork(c) || only && c.Name != m.Kills {
			continue
		}
		wg.Go(func() {
			running <- struct{}{}
			defer func() { <-running }()
			run := func() *recorder.TB { return recordOutside(t, c, m.Target()) }
			if c.Name == m.Kills {
				r := run()
				for try := 1; try < 5 && !r.Failed(); try++ { // on a slow machine, contexts may end before the fault shows
					r = run()
				}
				requireKilled(t, c, r)
			} else if !slices.Contains(m.Also, c.Name) {
				requirePassed(t, c, run)
			}
		})
	}
}
