package scenario_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
	"gosession.dev/session/internal/explore"
)

// The scenarios are tested too: each of the stores below breaks a rule of the contract, and a
// scenario must fail with it.

// full passes all calls on, so that a fault can replace one method.
type full = *intercept.Store

func pass(inner driver.Store) full {
	return intercept.New(inner, func(ctx context.Context, _ string, do func(context.Context) error) error { return do(ctx) })
}

// inserts is a store whose Flush creates a record that has ended.
type inserts struct{ full }

func (s inserts) Flush(ctx context.Context, r *driver.Record) error {
	err := s.full.Flush(ctx, r)
	if errors.Is(err, driver.ErrNotFound) {
		return s.full.Create(ctx, r)
	}
	return err
}

// overwrites is a store whose Flush ignores the version.
type overwrites struct{ full }

func (s overwrites) Flush(ctx context.Context, r *driver.Record) error {
	stored, err := s.full.Retrieve(ctx, r.Key)
	if err != nil {
		return err
	}
	r.Version = stored.Version
	return s.full.Flush(ctx, r)
}

// renamesAnything is a store whose ChangeID ignores the version.
type renamesAnything struct{ full }

func (s renamesAnything) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	stored, err := s.full.Retrieve(ctx, oldKey)
	if err != nil {
		return err
	}
	r.Version = stored.Version
	return s.full.ChangeID(ctx, oldKey, r)
}

// copies is a store whose ChangeID keeps the old record.
type copies struct{ full }

func (s copies) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	stored, err := s.full.Retrieve(ctx, oldKey)
	if err != nil {
		return err
	}
	if stored.Version != r.Version {
		return driver.ErrConflict
	}
	return s.full.Create(ctx, r)
}

// forgets is a store whose marks are lost.
type forgets struct{ full }

func (forgets) Renamed(context.Context, string) (driver.Rename, error) {
	return driver.Rename{}, driver.ErrNotFound
}

// misleads is a store whose marks lead to a wrong key.
type misleads struct{ full }

func (s misleads) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	r, err := s.full.Renamed(ctx, key)
	r.To = "nowhere"
	return r, err
}

// endsMarks is a store whose Destroy succeeds for a mark.
type endsMarks struct{ full }

func (s endsMarks) Destroy(ctx context.Context, key string) error {
	if _, err := s.full.Renamed(ctx, key); err == nil {
		return nil
	}
	return s.full.Destroy(ctx, key)
}

// follows is a store whose Retrieve follows marks, and so accepts an old ID.
type follows struct{ full }

func (s follows) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	r, err := s.full.Retrieve(ctx, key)
	if rename, ok := s.full.Renamed(ctx, key); ok == nil && errors.Is(err, driver.ErrNotFound) {
		return s.full.Retrieve(ctx, rename.To)
	}
	return r, err
}

// sparesPending is a store whose DestroySubject keeps copies whose rename is not complete.
type sparesPending struct{ *explore.TwoStep }

func (s sparesPending) DestroySubject(ctx context.Context, subject string, except ...string) error {
	for key, err := range s.SubjectSessions(ctx, subject) {
		if err != nil {
			return err
		}
		_ = s.Destroy(ctx, key)
	}
	return nil
}

// hidesOutage is a store whose Renamed returns ErrNotFound for an outage. It wraps the store whose
// calls wait at gates.
type hidesOutage struct{ full }

func (s hidesOutage) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	r, err := s.full.Renamed(ctx, key)
	if err != nil {
		err = driver.ErrNotFound
	}
	return r, err
}

// over returns a function that opens a memory store with a fault.
func over[S driver.Store](fault func(full) S) func(func() time.Time) driver.Store {
	return func(now func() time.Time) driver.Store { return fault(pass(openMemory(now))) }
}

func TestExploreFindsFaultyStores(t *testing.T) {
	if testing.Short() {
		t.Skip("the scenarios are run without faults only")
	}
	for _, test := range []struct {
		fault    string
		backend  backend
		scenario string
	}{
		{"Flush inserts", backend{open: over(func(s full) inserts { return inserts{s} })}, "destroy and write"},
		{"Flush ignores the version", backend{open: over(func(s full) overwrites { return overwrites{s} })}, "update and update"},
		{"ChangeID ignores the version", backend{open: over(func(s full) renamesAnything { return renamesAnything{s} })}, "sign in and write"},
		{"ChangeID leaves the old record", backend{open: over(func(s full) copies { return copies{s} })}, "double click"},
		{"no marks", backend{open: over(func(s full) forgets { return forgets{s} })}, "destroy and change ID"},
		{"marks lead to a wrong key", backend{open: over(func(s full) misleads { return misleads{s} })}, "destroy and change ID"},
		{"Destroy ends marks", backend{open: over(func(s full) endsMarks { return endsMarks{s} })}, "destroy and change ID"},
		{"Retrieve follows marks", backend{open: over(func(s full) follows { return follows{s} })}, "double click"},
		{"Renamed hides an outage", backend{open: openMemory, around: func(s driver.Store) driver.Store { return hidesOutage{pass(s)} }}, "destroy and change ID"},
		{"pending copies are listed", backend{open: func(now func() time.Time) driver.Store {
			return &explore.TwoStep{Now: now, ListsPending: true}
		}}, "sign in again and change ID, two seats"},
		{"DestroySubject spares pending copies", backend{open: func(now func() time.Time) driver.Store {
			return sparesPending{&explore.TwoStep{Now: now}}
		}}, "destroy subject and change ID"},
	} {
		t.Run(test.fault, func(t *testing.T) {
			s := scenarioOf(t, test.scenario)
			result := explore.Search(t, s.options(test.backend), s.on(test.backend, placements["own processes"]))
			if result.Failure == nil {
				t.Fatalf("scenario %q does not fail with the fault: %v", s.name, result.Rounds)
			}
			t.Log(result.Failure)
		})
	}
}

func scenarioOf(t *testing.T, name string) scenario {
	for _, scenarios := range [][]scenario{signInScenarios, writeScenarios, takeScenarios, destroyScenarios} {
		for _, s := range scenarios {
			if s.name == name {
				return s
			}
		}
	}
	t.Fatalf("there is no scenario %q", name)
	return scenario{}
}
