package drivertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

func TestHistories(t *testing.T) { Histories(t, memoryTarget(), 3*time.Second) }

// fault is a mutant that Histories finds, and of what it says one or the other: the
// first consequence that it comes across is not always the same.
type fault struct {
	mutant
	says []string
}

// ofCheck returns the mutant that a check kills.
func ofCheck(name string) mutant {
	i := slices.IndexFunc(mutants, func(m mutant) bool { return m.kills == name })
	return mutants[i]
}

// ofFault returns the mutant that has a fault.
func ofFault(fault string) mutant {
	all := slices.Concat(mutants, moreMutants)
	i := slices.IndexFunc(all, func(m mutant) bool { return m.fault == fault })
	return all[i]
}

var faults = []fault{
	{mutant{fault: "reads what was there before the last flush, for a moment", breaks: (*store).readStale},
		[]string{"Retrieve("}},
	{mutant{fault: "inserts what it can't flush", breaks: func(s *store) {
		flush := s.flush
		s.flush = func(ctx context.Context, r *driver.Record) error {
			err := flush(ctx, r)
			if errors.Is(err, driver.ErrNotFound) {
				err = s.correct.Create(ctx, r)
			}
			return err
		}
	}}, []string{"= nil; want error \"session not found\"", flushReplaces}},
	{mutant{fault: "leaves both records when it changes an ID", breaks: func(s *store) {
		changeID := s.changeID
		s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
			old, _ := s.correct.Retrieve(ctx, oldKey)
			err := changeID(ctx, oldKey, r)
			if err == nil {
				err = s.correct.Create(ctx, old)
			}
			return err
		}
	}}, []string{"ChangeID("}},
	{mutant{fault: "returns from Destroy before the record is gone", breaks: func(s *store) {
		destroy := s.destroy
		s.destroy = func(ctx context.Context, key string) error {
			_, err := s.correct.Retrieve(ctx, key)
			if err == nil {
				time.AfterFunc(2*time.Millisecond, func() { destroy(context.Background(), key) })
			}
			return err
		}
	}}, []string{"Destroy("}},
	{ofCheck("Open/Shares"), []string{"Retrieve("}},
	{ofCheck("Flush/OneWins"), []string{"Flush("}},
	{ofCheck("Touch/LosesNoWrite"), []string{"Touch("}},
	{mutant{fault: "ends records one step late", breaks: func(s *store) { s.lateBy(40 * time.Millisecond) },
		target: func(tgt *Target) { tgt.Resolution = 20 * time.Millisecond }}, []string{"until"}},
	{mutant{fault: "ends records one step early", breaks: func(s *store) { s.lateBy(-20 * time.Millisecond) }},
		[]string{"until"}},
	{mutant{fault: "repeats a version", breaks: func(s *store) {
		s.reuse(func(method string, _, _ *driver.Record) bool { return method == "Flush" })
	}}, []string{"Flush("}},
	{ofCheck("Version/AfterDestroy"), []string{"Flush(", "ChangeID("}},
	{mutant{fault: "keeps writers out while it lists", breaks: (*store).lockOutWriters},
		[]string{"no return within 3s"}},

	{ofCheck("Create/OneWins"), []string{"Create("}},
	{ofCheck("ChangeID/Races"), []string{"ChangeID("}},
	{ofCheck("Destroy/RacesWrites"), []string{"Destroy("}},
	{ofCheck("DestroySubject/RacesChangeID"), []string{"no order"}}, // seen by what it ends too late
	{ofCheck("DeleteExpired/SparesLive"), []string{"until"}},
	{ofCheck("Sessions/LiveOnly"), []string{"Sessions()"}},
	{ofCheck("SubjectSessions/FollowsWrites"), []string{"SubjectSessions("}},
	{ofCheck("Expiry/Touch"), []string{"Touch("}},

	{ofFault("writes by the old key"), []string{"Flush("}},
	{ofFault("retrieves by the old key"), []string{"Retrieve("}},
	{ofFault("destroys by the old key"), []string{"Destroy("}},
	{ofFault("creates over a mark"), []string{marksTaken}},
	{ofFault("renames over a mark"), []string{"ChangeID("}},
	{ofFault("says that there is nothing to destroy, and has destroyed the mark"), []string{marksLast}},
	{ofFault("forgets the mark when the record is written again"), []string{marksLast}},
	{ofFault("leads to where the record is now"), []string{marksChain}},
	{ofFault("leaves the mark a moment later"), []string{marksLast}},
	{ofFault("lists the copy that ChangeID begins with"), []string{"Sessions("}},
	{ofFault("keeps its marks in the process"), []string{marksLast}},
	{mutant{fault: "loses the mark when a second ChangeID comes too late", breaks: func(s *store) {
		changeID := s.changeID
		s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
			err := changeID(ctx, oldKey, r)
			if gone(err) {
				s.unmark(func(old string) bool { return old == oldKey })
			}
			return err
		}
		s.forgetsUnmarked()
	}}, []string{marksLast}},
	{mutant{fault: "leaves a mark when ChangeID is refused", breaks: func(s *store) {
		changeID, rename := s.changeID, s.rename
		s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
			err := changeID(ctx, oldKey, r)
			if errors.Is(err, driver.ErrConflict) {
				s.world.do(func() { s.world.keep[oldKey] = *copyOf(r) })
			}
			return err
		}
		s.rename = func(ctx context.Context, key string) (driver.Rename, error) {
			mark, err := rename(ctx, key)
			s.world.do(func() {
				if r, refused := s.world.keep[key]; refused && errors.Is(err, driver.ErrNotFound) {
					mark, err = driver.Rename{To: r.Key}, nil
				}
			})
			return mark, err
		}
	}}, []string{marksAbsent}},
}

func TestHistoriesFindFaults(t *testing.T) {
	const patience = time.Minute
	for _, f := range faults {
		t.Run(f.fault, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			r := &recorder{TB: t}
			for !r.Failed() && time.Since(began) < patience {
				r.await(func() { checkPrograms(r, f.targetOf(), time.Second) })
				if r.Failed() {
					break
				}
				r.await(func() { checkConcurrent(r, f.targetOf(), 3*time.Second) })
			}
			t.Logf("%v\n%s", time.Since(began), r.text())
			require.True(t, r.Failed(), "the fault was not found")
			require.Contains(t, r.text(), " says: ")
			said := slices.ContainsFunc(f.says, func(says string) bool { return strings.Contains(r.text(), says) })
			require.True(t, said, "the report says none of %q:\n%s", f.says, r.text())
		})
	}
}

// What the contract allows passes.
func TestHistoriesOfLegalStores(t *testing.T) {
	for name, legal := range legalStores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Histories(t, legal.targetOf(), 2*time.Second)
		})
	}
}

// readStale has Retrieve return the record as it was before a Flush, for some time
// after it, as a replica does.
func (s *store) readStale() {
	before := *s
	s.flush = func(ctx context.Context, r *driver.Record) error {
		old, _ := before.retrieve(ctx, r.Key)
		err := before.flush(ctx, r)
		if err == nil && old != nil {
			s.world.do(func() { s.world.keep[r.Key] = *old })
			time.AfterFunc(2*time.Millisecond, func() { s.world.do(func() { delete(s.world.keep, r.Key) }) })
		}
		return err
	}
	s.retrieve = func(ctx context.Context, key string) (*driver.Record, error) {
		r, err := before.retrieve(ctx, key)
		s.world.do(func() {
			if old, stale := s.world.keep[key]; stale && err == nil {
				r = copyOf(&old)
			}
		})
		return r, err
	}
}

// lockOutWriters has Create wait for the end of a listing.
func (s *store) lockOutWriters() {
	create := s.create
	s.create = func(ctx context.Context, r *driver.Record) error {
		select {
		case s.world.lock <- struct{}{}:
			defer func() { <-s.world.lock }()
			return create(ctx, r)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.sessions = s.lockWhileListing(s.sessions)
}
