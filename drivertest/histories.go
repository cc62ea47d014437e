package drivertest

import (
	"os"
	"testing"
	"time"
)

// historiesTime is the environment variable whose value, a duration as in "10m",
// replaces what [Histories] is given.
const historiesTime = "DRIVERTEST_HISTORIES"

// Histories checks the stores of tgt against a model of the contract, for about
// d: a map from keys to records, in which every call takes place at one moment.
//
//	func TestHistories(t *testing.T) { drivertest.Histories(t, target, 3*time.Second) }
//
// A quarter of the time goes to Programs: random calls one after another, each
// result compared with the model's. The rest goes to Concurrent: several clients
// work on a few keys at once, and what they were told has to be the result of
// some order of their calls in which none is moved beyond its own beginning or
// end. [Run] tries what is known to go wrong; this looks for what nobody has
// thought of, and finds more the longer it runs. The environment variable
// DRIVERTEST_HISTORIES replaces d: set it to 10m before a release.
//
// A failure prints the calls that contradict the contract, as few as possible,
// and its sentence. Data is printed as the number of the write that it is from.
//
// A DestroySubject does not meet writes that bring a record to a subject or from it,
// nor one that spares a key a ChangeID: the contract leaves open what comes of those.
// The marks of a RenameTracker may be found or not once their record has ended.
// Target.Skip has effect where it names a check of Sessions, whose listings are left
// out then. A store that keeps records with the client has one client for each
// session, because the contract has no conflicts there.
func Histories(t *testing.T, tgt Target, d time.Duration) {
	t.Helper()
	tgt.validate(t)
	if text, set := os.LookupEnv(historiesTime); set {
		long, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("%s=%q; want a duration, as in 10m", historiesTime, text)
		}
		d = long
	}
	over := time.Now().Add(d)
	t.Run("Programs", func(t *testing.T) { checkPrograms(t, tgt, d/4) })
	t.Run("Concurrent", func(t *testing.T) { checkConcurrent(t, tgt, time.Until(over)) })
}
