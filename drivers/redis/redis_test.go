package redis

import (
	"testing"
	"time"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/internal/testserver"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, target(testserver.StartRedis(t)))
}

func TestHistories(t *testing.T) {
	histories.Run(t, target(testserver.StartRedis(t)), 6*time.Second)
}

func BenchmarkStore(b *testing.B) {
	drivertest.Bench(b, target(testserver.StartRedis(b)))
}
