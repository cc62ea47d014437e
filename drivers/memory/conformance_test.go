package memory_test

import (
	"crypto/rand"
	"testing"

	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
)

func target() drivertest.Target {
	return drivertest.Target{
		Driver:     memory.Driver{},
		DSN:        func(testing.TB) string { return rand.Text() },
		BadDSN:     []string{"x?max_sessions=0", "x?%zz"},
		Neighbours: func(testing.TB) (a, b string) { a = rand.Text(); return a + "?max_sessions=2000", a + "2" },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker | drivertest.Lossy,
		Count:      func(_ testing.TB, dsn string) int { return memory.Count(dsn) },
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, target()) }

func BenchmarkStore(b *testing.B) { drivertest.Bench(b, target()) }
