package postgres_test

import (
	"testing"
	"time"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
)

func TestConformance(t *testing.T) { drivertest.Run(t, newPlace(t, "").target()) }

func TestHistories(t *testing.T) { histories.Run(t, newPlace(t, "").target(), 3*time.Second) }

func BenchmarkStore(b *testing.B) { drivertest.Bench(b, newPlace(b, "").target()) }
