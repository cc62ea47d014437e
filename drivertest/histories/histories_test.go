package histories

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivertest/internal/faulty"
	"gosession.dev/session/drivertest/internal/recorder"
)

func TestHistories(t *testing.T) { Run(t, faulty.Memory(), 3*time.Second) }

// fault is a mutant that histories find. A report has at least one of the texts in says: which
// consequence of the fault is found first is not always the same.
type fault struct {
	faulty.Mutant
	says []string
}

var faults = []fault{
	{faulty.OfFault("reads the record from before the last Flush, for a moment"), []string{"Retrieve("}},
	{faulty.OfFault("inserts a record that it can't flush"), []string{"= nil; want error \"session not found\"", flushReplaces}},
	{faulty.OfFault("leaves both records when it changes an ID"), []string{"ChangeID("}},
	{faulty.OfFault("returns from Destroy before the record is gone"), []string{"Destroy("}},
	{faulty.OfCheck("Open/Shares"), []string{"Retrieve("}},
	{faulty.OfCheck("Flush/OneWins"), []string{"Flush("}},
	{faulty.OfCheck("Flush/EqualData"), []string{"Flush("}},
	{faulty.OfCheck("Touch/LosesNoWrite"), []string{"Touch("}},
	{faulty.OfFault("ends records one step late"), []string{"until"}},
	{faulty.OfFault("ends records one step early"), []string{"until"}},
	{faulty.OfFault("uses a version twice"), []string{"Flush("}},
	{faulty.OfCheck("Version/AfterDestroy"), []string{"Flush(", "ChangeID("}},
	{faulty.OfFault("holds a lock against writers while it lists"), []string{"no return within 3s"}},

	{faulty.OfCheck("Create/OneWins"), []string{"Create("}},
	{faulty.OfCheck("ChangeID/Races"), []string{"ChangeID("}},
	{faulty.OfCheck("Destroy/RacesWrites"), []string{"Destroy("}},
	{faulty.OfCheck("DestroySubject/RacesChangeID"), []string{"no order"}}, // found because a record ends too late
	{faulty.OfCheck("DeleteExpired/SparesLive"), []string{"until"}},
	{faulty.OfCheck("Sessions/LiveOnly"), []string{"Sessions()"}},
	{faulty.OfCheck("SubjectSessions/FollowsWrites"), []string{"SubjectSessions("}},
	{faulty.OfCheck("Expiry/Touch"), []string{"Touch("}},

	{faulty.OfFault("writes by the old key"), []string{"Flush("}},
	{faulty.OfFault("retrieves by the old key"), []string{"Retrieve("}},
	{faulty.OfFault("destroys by the old key"), []string{"Destroy("}},
	{faulty.OfFault("creates over a mark"), []string{marksTaken, marksAbsent}}, // or the mark is found while the record is live
	{faulty.OfFault("renames over a mark"), []string{"ChangeID("}},
	{faulty.OfFault("returns ErrNotFound from Destroy, but destroys the mark"), []string{marksLast}},
	{faulty.OfFault("forgets the mark when the record is written again"), []string{marksLast}},
	{faulty.OfFault("has marks that all lead to the current key of the record"), []string{marksChain}},
	{faulty.OfFault("leaves the mark a moment after the record has ended"), []string{marksLast}},
	{faulty.OfFault("lists a pending copy"), []string{"Sessions("}},
	{faulty.OfFault("keeps its marks in the process"), []string{marksLast}},
	{faulty.OfFault("loses the mark when a second ChangeID comes too late"), []string{marksLast}},
	{faulty.OfFault("leaves a mark when ChangeID is refused"), []string{marksAbsent}},
}

func TestHistoriesFindFaults(t *testing.T) {
	const patience = 10 * time.Minute // on a busy machine; mostly, a few seconds are enough
	for _, f := range faults {
		t.Run(f.Fault, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			r := recorder.New(t)
			for !r.Failed() && time.Since(began) < patience {
				r.Await(func() { checkPrograms(r, f.Target(), time.Second) })
				if r.Failed() {
					break
				}
				r.Await(func() { checkConcurrent(r, f.Target(), 3*time.Second) })
			}
			t.Logf("%v\n%s", time.Since(began), r.Text())
			require.True(t, r.Failed(), "histories do not find the fault; want a report")
			require.Contains(t, r.Text(), " says: ")
			said := slices.ContainsFunc(f.says, func(says string) bool { return strings.Contains(r.Text(), says) })
			require.True(t, said, "the report has none of %q:\n%s", f.says, r.Text())
		})
	}
}

// Stores that do only what the contract allows pass.
func TestHistoriesOfLegalStores(t *testing.T) {
	for name, legal := range faulty.Legal {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Run(t, legal.Target(), 2*time.Second)
		})
	}
}
