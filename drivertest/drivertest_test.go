package drivertest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"gosession.dev/session/drivers/memory"
)

var stores atomic.Int64 // how many DSNs were given out

func memoryTarget() Target {
	return Target{
		Driver:     memory.Driver{},
		DSN:        func(testing.TB) string { return fmt.Sprint("drivertest-", stores.Add(1)) },
		Implements: Toucher | Pinger | SubjectLister | SubjectDestroyer | RenameTracker | Lossy,
	}
}

func TestConformance(t *testing.T) { Run(t, memoryTarget()) }

func BenchmarkStore(b *testing.B) { Bench(b, memoryTarget()) }
