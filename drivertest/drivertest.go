// Package drivertest is the conformance suite of package driver: it decides whether a
// driver keeps the contract. These are all the tests that a driver needs:
//
//	var target = drivertest.Target{
//		Driver:     sqlite.Driver{},
//		DSN:        func(t testing.TB) string { return "file:" + filepath.Join(t.TempDir(), "s.db") },
//		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister,
//	}
//
//	func TestConformance(t *testing.T) { drivertest.Run(t, target) }
//
//	func BenchmarkStore(b *testing.B) { drivertest.Bench(b, target) }
//
// Each check is a subtest whose name has the method and the rule, so that -run can select
// by either:
//
//	go test -run 'TestConformance/Flush'
//	go test -run 'TestConformance//NeverInserts'
//
// A check that fails prints the call, what it got, what it wanted, and the sentence of the
// contract that demands it. Run the suite with -race: it calls a store from many
// goroutines, and the race detector finds faults that no result shows.
//
// Package drivertest/histories, a module of its own, looks for faults that no check tries.
// It makes random calls, one after another and concurrently, and compares their results
// with a model of the contract.
package drivertest

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// checks are all checks, in the order in which they are best read.
var checks = slices.Concat(
	openChecks,
	interfaceChecks,
	createChecks,
	retrieveChecks,
	flushChecks,
	changeIDChecks,
	destroyChecks,
	sessionsChecks,
	expiryChecks,
	sweepChecks,
	touchChecks,
	pingChecks,
	subjectChecks,
	destroySubjectChecks,
	renamedChecks,
	clientSideChecks,
	versionChecks,
	keyChecks,
	bytesChecks,
	parallelChecks,
	consistencyChecks,
	answerChecks,
	contextChecks,
	errorChecks,
	closeChecks,
	neighbourChecks,
	corruptChecks,
	leftoverChecks,
	networkChecks,
)

// Run checks that the stores of tgt keep the contract of package driver. Each check is a
// subtest with a store of its own. Run calls the checks one after another, and in the end
// those that wait for records to expire, several at once: their waits take most of the time
// if Target.Resolution is long. Run ends after the first check in which a call hangs.
func Run(t *testing.T, tgt Target) {
	t.Helper()
	tgt.validate(t)
	tgt.hung = new(atomic.Bool)
	var waiting []check
	for _, c := range checks {
		if c.waits {
			waiting = append(waiting, c)
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(t, tgt) })
		if tgt.hung.Load() {
			t.Fatalf("a call of %s hangs; the checks after it are left out, because each may take as long", c.name)
		}
	}
	runTogether(t, tgt, waiting)
}

// runTogether runs several checks at once. It does not call Parallel on the subtests, because
// those would need a parent of their own, whose name -run would have to select, and would wait
// for a processor each.
func runTogether(t *testing.T, tgt Target, checks []check) {
	const atOnce = 16 // so many stores, with a few connections each
	var mu sync.Mutex
	dsn := tgt.DSN
	tgt.DSN = func(t testing.TB) string {
		mu.Lock()
		defer mu.Unlock()
		return dsn(t)
	}
	running := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for _, c := range checks {
		wg.Go(func() {
			running <- struct{}{}
			defer func() { <-running }()
			t.Run(c.name, func(t *testing.T) { c.run(t, tgt) })
		})
	}
	wg.Wait()
}
