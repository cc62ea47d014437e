package scenario_test

import (
	"testing"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/explore"
)

// backend is a kind of store.
type backend struct {
	name   string
	open   func(now func() time.Time) driver.Store
	traits explore.Traits
	around func(driver.Store) driver.Store // wraps the store whose calls wait at gates; may be nil
	alone  bool                            // only one process uses it and remembers renamed keys
}

func openMemory(now func() time.Time) driver.Store { return memory.New(memory.Options{Now: now}) }

func openTwoStep(now func() time.Time) driver.Store {
	return &explore.TwoStep{Now: now, ListsRenamed: true}
}

// withoutMarks returns s without the methods of [driver.RenameTracker].
func withoutMarks(s driver.Store) driver.Store {
	return struct {
		driver.Store
		driver.Toucher
		driver.SubjectLister
		driver.SubjectDestroyer
	}{s, s.(driver.Toucher), s.(driver.SubjectLister), s.(driver.SubjectDestroyer)}
}

var (
	oneStep = backend{name: "one step", open: openMemory}
	twoStep = backend{name: "two steps", open: openTwoStep}

	// A process knows only the renames that it has made itself.
	unmarked = backend{name: "one step, no marks", open: openMemory, around: withoutMarks, alone: true}

	// The sessions of a subject are listed and ended one by one.
	oneStepListing = backend{name: "one step, listing", open: openMemory, traits: explore.Traits{NoSubjectDestroyer: true, ListsSlowly: true}}
	twoStepListing = backend{name: "two steps, listing", open: openTwoStep, traits: explore.Traits{NoSubjectDestroyer: true, ListsSlowly: true}}
)

var (
	simple   = []backend{oneStep, twoStep, unmarked}
	listings = []backend{oneStep, oneStepListing, twoStep, twoStepListing}
)

// placements map requests to processes.
var placements = map[string]func(request int) int{
	"one process":   func(int) int { return 0 },
	"own processes": func(request int) int { return request },
}

// scenario is explored on several backends, in one process and in several.
type scenario struct {
	name      string
	config    session.Config
	backends  []backend
	maxFaults int
	run       func(*fleet)
}

// options returns the options for exploring s on a backend.
func (s scenario) options(b backend) explore.Options {
	return explore.Options{MaxFaults: s.maxFaults, Budget: budget, Memory: b.alone}
}

// on returns the scenario for a backend and a placement.
func (s scenario) on(b backend, place func(int) int) func(*explore.Execution) {
	return func(x *explore.Execution) { s.run(newFleet(x, s.config, b, place)) }
}

func exploreAll(t *testing.T, scenarios []scenario) {
	for _, s := range scenarios {
		for _, b := range s.backends {
			for _, place := range []string{"one process", "own processes"} {
				if b.alone && place != "one process" {
					continue
				}
				t.Run(s.name+"/"+b.name+"/"+place, func(t *testing.T) {
					explore.Run(t, s.options(b), s.on(b, placements[place]))
				})
			}
		}
	}
}
