// Package drivertest is the conformance suite of package driver: it decides
// whether a backend keeps the contract. A driver's whole test is
//
//	func TestConformance(t *testing.T) {
//		drivertest.Run(t, drivertest.Target{
//			Driver:     sqlite.Driver{},
//			DSN:        func(t testing.TB) string { return "file:" + filepath.Join(t.TempDir(), "s.db") },
//			Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister,
//		})
//	}
//
//	func TestHistories(t *testing.T) { drivertest.Histories(t, target, 3*time.Second) }
//
//	func BenchmarkStore(b *testing.B) { drivertest.Bench(b, target) }
//
// Each check is a subtest named after the method and the rule that it is about,
// so that -run picks either:
//
//	go test -run 'TestConformance/Flush'
//	go test -run 'TestConformance//NeverInserts'
//
// A check that fails prints the call, what it got, what it wanted, and the
// sentence of the contract that says so. Run the suite with -race: it drives a
// store from many goroutines, and the race detector sees what it can't.
//
// [Histories] looks for what no check tries: it holds random calls, also such that
// meet, against a model of the contract.
package drivertest

import (
	"slices"
	"testing"
	"time"

	"gosession.dev/session/driver"
)

// Target is a driver, and what the suite has to know about it. Driver and DSN
// are required.
type Target struct {
	// Driver is the driver under test.
	Driver driver.Driver

	// DSN returns a DSN of a new and empty store; every check asks for one of
	// its own. A check may open it several times, and must then see the same
	// records. What has to be removed afterwards is left to t.Cleanup.
	DSN func(t testing.TB) string

	// BadDSN lists DSNs that Open must refuse. One with an unknown parameter
	// (a DSN with "?drivertest_unknown=..." after it) is tried in any case.
	BadDSN []string

	// DeadDSN returns the DSN of a server that accepts connections and never
	// answers. It is for drivers that use a network; nil leaves out the checks
	// that need it.
	DeadDSN func(t testing.TB) string

	// Implements are the optional interfaces that the stores implement: these
	// and no others. A driver that loses one by a changed signature fails, and
	// so does one that gains one without saying so here. Lossy counts where Loses
	// returns a sentence.
	Implements Interfaces

	// Resolution is the coarsest step of the clock that ends records: a record
	// may be found for so long after its Expires, and not at all after that.
	// Zero is right for a store that compares with the time of day.
	Resolution time.Duration

	// Skip gives, by the name of a check, the reason why it does not apply. A
	// name that is no check's is a failure, as is a missing reason. A backend
	// that can't list names the checks of Sessions, Expiry/Sessions and
	// Keys/Listed.
	Skip map[string]string
}

// checks is the whole suite, in the order in which it is best read.
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
	contextChecks,
	errorChecks,
	closeChecks,
)

// Run checks that the stores of tgt keep the contract of package driver.
func Run(t *testing.T, tgt Target) {
	t.Helper()
	tgt.validate(t)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t, tgt) })
	}
}

func (tgt Target) validate(t testing.TB) {
	t.Helper()
	if tgt.Driver == nil || tgt.DSN == nil {
		t.Fatal("drivertest.Target without Driver or DSN; both are required")
	}
	for name, reason := range tgt.Skip {
		if !slices.ContainsFunc(checks, func(c check) bool { return c.name == name }) {
			t.Errorf("Target.Skip names %q; want the name of a check", name)
		}
		if reason == "" {
			t.Errorf("Target.Skip[%q] is empty; want the reason", name)
		}
	}
}
