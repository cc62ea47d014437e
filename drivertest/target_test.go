package drivertest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/internal/faulty"
	"gosession.dev/session/drivertest/internal/recorder"
)

// opened returns the target of a store that is opened without a driver.
func opened() drivertest.Target {
	tgt := faulty.Memory()
	tgt.Driver, tgt.Open = nil, memory.Driver{}.Open
	return tgt
}

func TestConformanceWithoutDriver(t *testing.T) { drivertest.Run(t, opened()) }

// A store without a driver skips the checks that look at a driver, and no others.
func TestOpenInPlaceOfDriver(t *testing.T) {
	for _, c := range drivertest.Checks() {
		with, without := record(t, c, faulty.Memory()), record(t, c, opened())
		require.False(t, without.Failed(), "%s:\n%s", c.Name, without.Text())
		require.Equal(t, with.Skipped() || c.Given == "Driver", without.Skipped(), c.Name)
	}
}

// The store that Open returns is the one that is checked.
func TestOpenWithFault(t *testing.T) {
	m := faulty.OfCheck("Flush/Conflict")
	tgt := m.Target()
	tgt.Driver, tgt.Open = nil, tgt.Driver.Open
	for _, c := range drivertest.Checks() {
		if c.Name == m.Kills {
			require.True(t, record(t, c, tgt).Failed())
		}
	}
}

func TestValidTargets(t *testing.T) {
	for name, change := range map[string]func(*drivertest.Target){
		"with a driver":        func(*drivertest.Target) {},
		"with Open":            func(tgt *drivertest.Target) { *tgt = opened() },
		"with a reason":        func(tgt *drivertest.Target) { tgt.Skip = map[string]string{"Network/LostAnswer": "the client repeats"} },
		"with limits":          func(tgt *drivertest.Target) { tgt.PageSize, tgt.Patience, tgt.Resolution = 1, 1, 1 },
		"with a list of DSNs":  func(tgt *drivertest.Target) { tgt.BadDSN = []string{"?"} },
		"with every function":  func(tgt *drivertest.Target) { *tgt = faulty.Mutant{}.Target() },
		"with a zero Patience": func(tgt *drivertest.Target) { tgt.Patience = 0 },
	} {
		require.Empty(t, validated(t, change), name)
	}
}

func TestInvalidTargets(t *testing.T) {
	const required = "Target.DSN is required, and either Target.Driver or Target.Open"
	for name, c := range map[string]struct {
		want   string
		change func(*drivertest.Target)
	}{
		"empty":                       {required, func(tgt *drivertest.Target) { *tgt = drivertest.Target{} }},
		"without a DSN":               {required, func(tgt *drivertest.Target) { tgt.DSN = nil }},
		"without a driver or Open":    {required, func(tgt *drivertest.Target) { tgt.Driver = nil }},
		"with a driver and with Open": {required, func(tgt *drivertest.Target) { tgt.Open = func(string) (driver.Store, error) { return nil, nil } }},
		"with BadDSN and with Open": {"Target.BadDSN is set", func(tgt *drivertest.Target) {
			*tgt = opened()
			tgt.BadDSN = []string{"?"}
		}},
		"with a negative Resolution": {"Target.Resolution = -1s", func(tgt *drivertest.Target) { tgt.Resolution = -time.Second }},
		"with a negative Patience":   {"Patience = -1s", func(tgt *drivertest.Target) { tgt.Patience = -time.Second }},
		"with a negative PageSize":   {"Target.PageSize = -1", func(tgt *drivertest.Target) { tgt.PageSize = -1 }},
		"skipping an unknown check": {`Target.Skip names "Flush/NoSuchRule"`, func(tgt *drivertest.Target) {
			tgt.Skip = map[string]string{"Flush/NoSuchRule": "because"}
		}},
		"skipping without a reason": {`Target.Skip["Flush/Conflict"] is empty`, func(tgt *drivertest.Target) {
			tgt.Skip = map[string]string{"Flush/Conflict": ""}
		}},
	} {
		require.Contains(t, validated(t, c.change), c.want, name)
	}
}

// validated returns what the suite reports of a valid target after a change.
func validated(t *testing.T, change func(*drivertest.Target)) string {
	tgt := faulty.Memory()
	change(&tgt)
	r := recorder.New(t)
	r.Await(func() { drivertest.Validate(r, tgt) })
	require.Equal(t, r.Text() != "", r.Failed())
	return r.Text()
}

func TestSkip(t *testing.T) {
	tgt := faulty.Memory()
	first := drivertest.Checks()[0]
	tgt.Skip = map[string]string{first.Name: "the reason"}
	r := record(t, first, tgt)
	require.True(t, r.Skipped())
	require.False(t, r.Failed())
	require.Contains(t, r.Text(), "the reason")
}
