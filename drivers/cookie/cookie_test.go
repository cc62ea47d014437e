package cookie

import (
	"crypto/rand"
	"testing"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
)

// keptDriver opens memory stores that do not declare themselves Lossy.
type keptDriver struct{}

func (keptDriver) Open(dsn string) (driver.Store, error) {
	s, err := memory.Driver{}.Open(dsn)
	return kept{s}, err
}

func init() { session.Register("kept", keptDriver{}) }

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

// targets are drivertest targets with and without revocations.
func targets() map[string]drivertest.Target {
	revocable, unrevocable := target(""), target("unrevocable")
	revocable.Implements |= drivertest.RenameTracker
	revocable.DSN = func(testing.TB) string {
		return secretParam + "&revocations=kept:" + rand.Text()
	}
	unrevocable.Skip = skipUnrevocable
	return map[string]drivertest.Target{"revocations": revocable, "unrevocable": unrevocable}
}

const copiesWork = "unrevocable: a copied cookie works after its session has ended"

// skipUnrevocable are the checks that need revocations.
var skipUnrevocable = map[string]string{
	"ChangeID/Moves":      copiesWork,
	"Destroy/Removes":     copiesWork,
	"Destroy/NotFound":    copiesWork,
	"Destroy/IsFinal":     copiesWork,
	"Destroy/RacesWrites": copiesWork,
}

func BenchmarkStore(b *testing.B) { drivertest.Bench(b, target("unrevocable")) }
