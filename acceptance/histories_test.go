package acceptance_test

import (
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memory"
	_ "gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/internal/move"
)

// These are the histories of the stores in the root module. They are here because the tests
// of the root must not require drivertest/histories, which is another module.

func TestHistoriesOfMemory(t *testing.T) {
	histories.Run(t, drivertest.Target{
		Driver:     memory.Driver{},
		DSN:        func(testing.TB) string { return rand.Text() },
		Implements: ofMemory,
	}, 3*time.Second)
}

// ofMemory is the set of optional interfaces of a memory store.
const ofMemory = drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer |
	drivertest.RenameTracker | drivertest.Lossy

func TestHistoriesOfCookie(t *testing.T) {
	const secret = "secret=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
	for name, target := range map[string]drivertest.Target{
		"revocations": {
			Driver: cookie.Driver{},
			DSN: func(t testing.TB) string {
				return secret + "&revocations=sqlite:file:" + filepath.Join(t.TempDir(), "ended.db")
			},
			Implements: drivertest.Pinger | drivertest.ClientSide | drivertest.RenameTracker,
		},
		"unrevocable": {
			Driver:     cookie.Driver{},
			DSN:        func(testing.TB) string { return secret + "&unrevocable" },
			Implements: drivertest.Pinger | drivertest.ClientSide,
			Skip:       map[string]string{"Destroy/Removes": "unrevocable: a copied cookie stays valid"},
		},
	} {
		t.Run(name, func(t *testing.T) { histories.Run(t, target, 2*time.Second) })
	}
}

// Histories run at each stage of a move, and not while processes are at two stages: there, a
// client that has read a record before it moves gets a conflict that a history does not expect.
func TestHistoriesOfMove(t *testing.T) {
	for name, pair := range map[string]pair{
		"Prepare": func(to, from driver.Store) driver.Store { return move.Prepare(to, from) },
		"New":     func(to, from driver.Store) driver.Store { return move.New(to, from) },
	} {
		t.Run(name, func(t *testing.T) {
			histories.Run(t, drivertest.Target{
				Driver:     pair,
				DSN:        func(testing.TB) string { return rand.Text() },
				Implements: ofMemory,
			}, 3*time.Second)
		})
	}
}

// pair is a driver whose stores combine two stores in memory.
type pair func(to, from driver.Store) driver.Store

func (p pair) Open(dsn string) (driver.Store, error) {
	to, err := memory.Driver{}.Open(dsn + "-new")
	if err != nil {
		return nil, err
	}
	from, err := memory.Driver{}.Open(dsn + "-old")
	if err != nil {
		return nil, err
	}
	return p(to, from), nil
}
