//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filedriver_test

import (
	"testing"
	"time"

	"gosession.dev/session/drivertest"
	"gosession.dev/session/examples/filedriver"
)

var target = drivertest.Target{
	Driver: filedriver.Driver{},
	DSN:    func(t testing.TB) string { return t.TempDir() },
	BadDSN: []string{"", "sessions?mode=0700", "sessions\x00"},
}

func TestConformance(t *testing.T) { drivertest.Run(t, target) }

func TestHistories(t *testing.T) { drivertest.Histories(t, target, 3*time.Second) }
