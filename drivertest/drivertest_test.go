package drivertest_test

import (
	"testing"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/internal/faulty"
	"gosession.dev/session/drivertest/internal/recorder"
)

func TestConformance(t *testing.T) { drivertest.Run(t, faulty.Memory()) }

func BenchmarkStore(b *testing.B) { drivertest.Bench(b, faulty.Memory()) }

// record runs c on tgt in a bubble of package synctest, and returns what c has reported.
func record(t *testing.T, c drivertest.Check, tgt drivertest.Target) *recorder.TB {
	return recorder.InBubble(t, func(tb testing.TB) { c.Run(tb, tgt) })
}
