package netstore_test

import (
	"testing"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/internal/netstore"
)

func TestConformance(t *testing.T) { drivertest.Run(t, netstore.Mutant{}.Target()) }
