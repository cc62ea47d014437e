package cookie

import (
	"path/filepath"
	"testing"

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
	t.Run("revocations", func(t *testing.T) {
		tgt := target("")
		tgt.DSN = func(t testing.TB) string {
			return secretParam + "&revocations=sqlite:file:" + filepath.Join(t.TempDir(), "ended.db")
		}
		drivertest.Run(t, tgt)
	})
	t.Run("unrevocable", func(t *testing.T) {
		tgt := target("unrevocable")
		tgt.Skip = unrevocable
		drivertest.Run(t, tgt)
	})
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
