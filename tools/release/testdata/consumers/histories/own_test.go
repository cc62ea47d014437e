// These tests check a driver as the author of a driver outside of this repository would.
package own_test

import (
	"crypto/rand"
	"testing"
	"time"

	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
)

func TestHistories(t *testing.T) {
	histories.Run(t, drivertest.Target{
		Driver: memory.Driver{},
		DSN:    func(testing.TB) string { return rand.Text() },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer |
			drivertest.RenameTracker | drivertest.Lossy,
	}, time.Second)
}
