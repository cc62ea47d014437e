package memory_test

import (
	"crypto/rand"
	"testing"
	"time"

	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
)

func target() drivertest.Target {
	return drivertest.Target{
		Driver:     memory.Driver{},
		DSN:        func(testing.TB) string { return rand.Text() },
		BadDSN:     []string{"x?max_sessions=0", "x?%zz"},
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, target()) }

func TestHistories(t *testing.T) { drivertest.Histories(t, target(), 3*time.Second) }

func BenchmarkStore(b *testing.B) { drivertest.Bench(b, target()) }
