package drivertest

import (
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

const leavesLittle = "Leftovers: once DeleteExpired has run, the backend must keep nothing of a record that has ended, " +
	"in no index either, but its mark and one item for each call of DestroySubject."

var leftoverChecks = []check{
	{name: "Leftovers/Ended", server: true, in: "package driver", rule: leavesLittle, given: "Count", waits: true, fn: leftoversEnded},
}

// endedEachWay is how many records end in each way in a round: more than the one item that may stay
// after DestroySubject.
const endedEachWay = 3

// leftoversEnded ends records in all ways, again and again, and counts what stays. What the first
// record leaves does not count: the backend may have prepared itself for it.
func leftoversEnded(t *trial) {
	const rounds = 5
	s := t.open()
	r := t.record()
	s.create(r, nil)
	s.destroy(r.Key, nil)
	s.deleteExpired()
	first := t.tgt.Count(t.TB, t.dsn)
	allowed := 0
	for round := range rounds {
		allowed += s.endInAllWays(round)
	}
	var last time.Time
	t.inTime(func(expires time.Time) error {
		last = expires
		for range rounds * endedEachWay {
			r := t.record()
			r.Expires = expires
			if err := s.Store.Create(t.ctx, r); err != nil {
				return unless(err, nil, "Create(%q)", r.Key)
			}
		}
		return nil
	})
	t.waitUntil(last)
	s.deleteExpired()
	if got := t.tgt.Count(t.TB, t.dsn) - first; got > allowed {
		t.Fatalf("%d rounds of records that have ended leave %d items; want %d at most", rounds, got, allowed)
	}
}

// endInAllWays creates records and ends them before they expire, and returns how many items may stay.
func (h *handle) endInAllWays(round int) (allowed int) {
	t := h.t
	t.Helper()
	subject := func(name string) string { return fmt.Sprintf("user:%s:%d", name, round) }
	for range endedEachWay {
		destroyed, changes, moves := t.of(subject("a")), t.of(subject("b")), t.of(subject("c"))
		for _, r := range []*driver.Record{destroyed, changes, moves} {
			h.create(r, nil)
		}
		h.destroy(destroyed.Key, nil)
		for _, to := range []string{subject("d"), subject("e"), ""} {
			changes.Subject = to
			h.flush(changes, nil)
		}
		h.destroy(changes.Key, nil)
		moved := renamed(moves, t.key())
		moved.Subject = subject("f")
		h.changeID(moves.Key, moved, nil)
		h.destroy(moved.Key, nil)
		if t.tgt.Implements&RenameTracker != 0 {
			allowed++
		}
		if h.canDestroySubjects() {
			h.create(t.of(subject("g")), nil)
		}
		h.endCorrupt(subject("h"))
	}
	if h.canDestroySubjects() {
		h.destroySubject(subject("g"))
		allowed++
	}
	return allowed
}

// endCorrupt creates records of a subject and ends them after they have become corrupt.
func (h *handle) endCorrupt(subject string) {
	t := h.t
	t.Helper()
	for _, plant := range t.tgt.Corrupt {
		r := t.of(subject)
		h.create(r, nil)
		plant(t.TB, t.dsn, r.Key)
		h.destroy(r.Key, nil)
	}
}
