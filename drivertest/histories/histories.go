// Package histories checks stores against a model of the contract of package driver. It
// finds faults that no check of package drivertest looks for: it makes random calls, also
// concurrent ones, and compares their results with the model. This is a complete test:
//
//	func TestHistories(t *testing.T) { histories.Run(t, target, 3*time.Second) }
//
// The target is that of drivertest.Run. The package is not a part of drivertest because it
// needs modules that drivertest does not need.
package histories

import (
	"os"
	"testing"
	"time"

	"gosession.dev/session/drivertest"
)

// historiesTime is the environment variable whose value, a duration like "10m", replaces the
// duration that [Run] is given.
const historiesTime = "DRIVERTEST_HISTORIES"

// Run checks the stores of target against a model of the contract, for about d. The model is
// a map from keys to records, in which every call takes effect at one moment.
//
// The subtest Programs takes a quarter of the time. It makes random calls one after another,
// and compares each result with the model's. The subtest Concurrent takes the rest. Several
// clients work on a few keys at once, and their results have to be linearizable: there
// is an order of the calls that gives these results, and in which each call takes effect between its
// beginning and its end.
//
// drivertest.Run tests for known faults; histories find unknown ones, and more of them the
// longer they run. The environment variable DRIVERTEST_HISTORIES replaces d: set it to 10m
// before a release.
//
// A failure prints the calls that contradict the contract, as few as possible, and the
// sentence that they contradict. Data is printed as the number of the write that stored it.
//
// The contract leaves some results open, and histories avoid them: no DestroySubject runs
// while a write gives a record a subject or takes one away, and no DestroySubject with
// exceptions runs while a ChangeID does. The marks of a RenameTracker may be found or not
// once their record has ended. If Target.Skip names a check of Sessions, histories do not
// list all sessions. With a ClientSide store, each session has only one client, because
// such stores have no conflicts.
func Run(t *testing.T, target drivertest.Target, d time.Duration) {
	t.Helper()
	if (target.Driver == nil) == (target.Open == nil) || target.DSN == nil {
		t.Fatal("Target.DSN is required, and either Target.Driver or Target.Open")
	}
	if text, set := os.LookupEnv(historiesTime); set {
		long, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("%s=%q; want a duration like 10m", historiesTime, text)
		}
		d = long
	}
	over := time.Now().Add(d)
	t.Run("Programs", func(t *testing.T) { checkPrograms(t, target, d/4) })
	t.Run("Concurrent", func(t *testing.T) { checkConcurrent(t, target, time.Until(over)) })
}
