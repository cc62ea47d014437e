// Package faulty has the stores with which package drivertest and its histories are tested: a
// mutant for each rule of the contract, which breaks that rule, and correct stores that differ
// from each other.
package faulty

import (
	"fmt"
	"sync/atomic"
	"testing"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivertest"
)

// Mutant is a store with one fault, and the check that has to find the fault. The zero value has
// no fault.
type Mutant struct {
	Kills string // the name of the check that has to fail
	Fault string
	Also  []string // checks that may also fail, because they meet the same fault

	dead bool // only the store of deadDSN has the fault

	// One of these makes the fault: in an opened store, in Open, or in the target.
	breaks func(*store)
	open   func(d *opener, dsn string) (driver.Store, error)
	target func(*drivertest.Target)
}

// Target returns the target with which the suite tests the mutant.
func (m Mutant) Target() drivertest.Target {
	tgt := Memory()
	d := &opener{fault: m}
	tgt.Driver = d
	tgt.DeadDSN = func(testing.TB) string { return deadDSN }
	tgt.DownDSN, tgt.ReadOnlyDSN = d.downDSN, d.readOnlyDSN
	tgt.Neighbours, tgt.Count = d.neighbours, d.count
	tgt.Corrupt = map[string]func(testing.TB, string, string){"": d.corrupt}
	if m.target != nil {
		m.target(&tgt)
	}
	return tgt
}

// OnlyDead reports whether only the store of Target.DeadDSN has the fault.
func (m Mutant) OnlyDead() bool { return m.dead }

// Memory returns the target of the correct store that the other stores are made from.
func Memory() drivertest.Target {
	return drivertest.Target{
		Driver: memory.Driver{},
		DSN:    func(testing.TB) string { return fmt.Sprint("drivertest-", stores.Add(1)) },
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer |
			drivertest.RenameTracker | drivertest.Lossy,
	}
}

var stores atomic.Int64 // how many DSNs were made
