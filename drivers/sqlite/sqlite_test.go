package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/drivertest"
)

const extras = drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer | drivertest.RenameTracker

func target() drivertest.Target {
	return drivertest.Target{
		Driver:     sqlite.Driver{},
		DSN:        func(t testing.TB) string { return "file:" + filepath.Join(t.TempDir(), "s.db") },
		BadDSN:     []string{"", "file:", "s.db?table=a-b", "s.db?_buzy_timeout=1", "file://elsewhere/s.db"},
		Implements: extras,
	}
}

func TestConformance(t *testing.T) { drivertest.Run(t, target()) }

func TestConformanceOfOwnTable(t *testing.T) {
	tgt := target()
	tgt.DSN = func(t testing.TB) string {
		return filepath.Join(t.TempDir(), "own.db") + "?table=web_sessions&id_column=key&data_column=values&_synchronous=FULL"
	}
	drivertest.Run(t, tgt)
}

func TestHistories(t *testing.T) { drivertest.Histories(t, target(), 3*time.Second) }

func BenchmarkStore(b *testing.B) { drivertest.Bench(b, target()) }
