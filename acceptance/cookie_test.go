package acceptance_test

import (
	"path/filepath"
	"testing"

	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivertest"
)

// The cookie driver keeps the contract when revocations are stored in a file.
func TestCookieConformance(t *testing.T) {
	drivertest.Run(t, drivertest.Target{
		Driver: cookie.Driver{},
		DSN: func(t testing.TB) string {
			return "secret=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE&revocations=sqlite:file:" + filepath.Join(t.TempDir(), "ended.db")
		},
		Implements: drivertest.Pinger | drivertest.ClientSide | drivertest.RenameTracker,
	})
}
