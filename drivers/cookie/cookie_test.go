package cookie

import (
	"path/filepath"
	"testing"
	"time"

	_ "gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/drivertest"
)

const secretParam = "secret=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"

func target(params string) drivertest.Target {
	return drivertest.Target{
		Driver:     Driver{},
		DSN:        func(testing.TB) string { return secretParam + "&" + params },
		Implements: drivertest.Pinger | drivertest.ClientSide,
	}
}

func TestConformance(t *testing.T) {
	for name, tgt := range targets() {
		t.Run(name, func(t *testing.T) { drivertest.Run(t, tgt) })
	}
}

func TestHistories(t *testing.T) {
	for name, tgt := range targets() {
		t.Run(name, func(t *testing.T) { drivertest.Histories(t, tgt, 2*time.Second) })
	}
}

// targets are the two ways to use the driver.
func targets() map[string]drivertest.Target {
	kept, forgotten := target(""), target("unrevocable")
	kept.Implements |= drivertest.RenameTracker
	kept.DSN = func(t testing.TB) string {
		return secretParam + "&revocations=sqlite:file:" + filepath.Join(t.TempDir(), "ended.db")
	}
	forgotten.Skip = unrevocable
	return map[string]drivertest.Target{"revocations": kept, "unrevocable": forgotten}
}

const nothingEnds = "unrevocable: whoever has copied a cookie can go on using it"

// unrevocable is what can't be had without a server.
var unrevocable = map[string]string{
	"ChangeID/Moves":      nothingEnds,
	"Destroy/Removes":     nothingEnds,
	"Destroy/NotFound":    nothingEnds,
	"Destroy/IsFinal":     nothingEnds,
	"Destroy/RacesWrites": nothingEnds,
}

func BenchmarkStore(b *testing.B) { drivertest.Bench(b, target("unrevocable")) }
