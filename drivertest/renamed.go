package drivertest

import (
	"errors"
	"time"

	"gosession.dev/session/driver"
)

const (
	marksNeverAdmit = "A mark never admits a client: Retrieve, Flush, ChangeID and Touch of a marked key must return ErrNotFound."
	marksInOneStep  = "The step that ends the record under the old key must also leave the mark: " +
		"there is no moment at which a process finds neither."
	pendingUnlisted = "Sessions and SubjectSessions must not yield a pending copy while its original is live, " +
		"so that a record is listed under one key only."
	pendingEnds = "DestroySubject must also end a pending copy."
	marksLast   = "A mark must be found for MarkLifetime after the ChangeID that left it, or until the record that it leads to " +
		"has ended, whichever comes first; soon after MarkLifetime it is gone."
	marksAbsent    = "If there is no mark, or if key holds a live record, Renamed must return ErrNotFound."
	marksUnlisted  = "A mark must not be listed or counted by any method."
	marksUndestroy = "Destroy of a marked key must return ErrNotFound and must leave the mark."
	marksTaken     = "If r.Key is marked, Create and ChangeID must return ErrExists."
	marksChain     = "If a record is renamed several times, each of its old keys must hold a mark, " +
		"which leads to the key that followed."
	marksAge = "Age is the time since that ChangeID, by the store's clock, and must not be negative."
)

var renamedChecks = []check{
	markCheck("Found", marksLast, renamedFound),
	markCheck("AnyStore", marksLast, renamedAnyStore),
	waiting(markCheck("OutlivesSweep", marksLast, renamedOutlivesSweep)),
	waiting(markCheck("OutlivesFirstExpiry", marksLast, renamedOutlivesFirstExpiry)),
	{name: "Renamed/OutlivesDestroySubject", server: true, in: "RenameTracker.Renamed", rule: marksLast,
		needs: RenameTracker | SubjectDestroyer, fn: renamedOutlivesDestroySubject},
	markCheck("Chain", marksChain, renamedChain),
	markCheck("OneWins", marksChain, renamedOneWins),
	waiting(markCheck("NotFound", marksAbsent, renamedNotFound)),
	markCheck("CreatedAgain", marksAbsent, renamedCreatedAgain),
	markCheck("NotListed", marksUnlisted, renamedNotListed),
	waiting(markCheck("NotCounted", marksUnlisted, renamedNotCounted)),
	markCheck("NotDestroyed", marksUndestroy, renamedNotDestroyed),
	markCheck("NotCreated", marksTaken, renamedNotCreated),
	markCheck("NotRenamed", marksTaken, renamedNotRenamed),
	{name: "Renamed/Age", server: true, in: "Rename.Age", rule: marksAge, needs: RenameTracker, fn: renamedAge},
	{name: "Renamed/NeverAdmits", server: true, in: "RenameTracker", rule: marksNeverAdmit,
		needs: RenameTracker, fn: renamedNeverAdmits},
	{name: "Renamed/InOneStep", server: true, in: "RenameTracker", rule: marksInOneStep,
		needs: RenameTracker, fn: renamedInOneStep},
	{name: "Renamed/NotAfterFailure", server: true, in: "Store.ChangeID", rule: changeIDFails,
		needs: RenameTracker, fn: renamedNotAfterFailure},
	{name: "Renamed/PendingNotListed", server: true, in: "RenameTracker", rule: pendingUnlisted,
		needs: RenameTracker, fn: renamedPendingNotListed},
	{name: "Renamed/PendingDestroyed", server: true, in: "RenameTracker", rule: pendingEnds,
		needs: RenameTracker | SubjectDestroyer, fn: renamedPendingDestroyed},
}

// markCheck returns a check of a sentence about Renamed. It is skipped for a ClientSide store,
// whose marks have other rules.
func markCheck(name, rule string, fn func(*trial)) check {
	return check{name: "Renamed/" + name, server: true, in: "RenameTracker.Renamed", rule: rule, needs: RenameTracker, fn: fn}
}

// rename stores a record and changes its ID, so that the mark under old leads to moved.
func (h *handle) rename() (old string, moved *driver.Record) {
	h.t.Helper()
	r := h.t.record()
	h.create(r, nil)
	moved = renamed(r, h.t.key())
	h.changeID(r.Key, moved, nil)
	return r.Key, moved
}

// The mark stays while the record is read and written.
func renamedFound(t *trial) {
	s := t.open()
	old, moved := s.rename()
	s.marked(old, moved.Key)
	s.flush(moved, nil)
	s.marked(old, moved.Key)
	if t.tgt.Implements&Toucher != 0 {
		s.touch(moved.Key, moved.Expires.Add(time.Hour), nil)
	}
	s.holds(moved)
	s.marked(old, moved.Key)
}

// The process that has changed the ID may have ended when another process asks.
func renamedAnyStore(t *trial) {
	a, b := t.open(), t.open()
	old, moved := a.rename()
	b.marked(old, moved.Key)
	a.close()
	b.marked(old, moved.Key)
	t.open().marked(old, moved.Key)
}

func renamedOutlivesSweep(t *trial) {
	s := t.open()
	old, moved := s.rename()
	t.waitUntil(s.createBrief().Expires)
	s.deleteExpired()
	s.marked(old, moved.Key)
}

// The ID of a session changes shortly before the session expires, and the expiry moves then.
func renamedOutlivesFirstExpiry(t *trial) {
	s := t.open()
	var old string
	var moved *driver.Record
	var first time.Time
	t.inTime(func(expires time.Time) error {
		r := t.record()
		r.Expires, first = expires, expires
		if err := s.createVersion(r); err != nil {
			return err
		}
		old, moved = r.Key, renamed(r, t.key())
		err := s.Store.ChangeID(t.ctx, old, moved)
		if err == nil {
			err = s.askVersion(moved)
		}
		if err != nil {
			return unless(err, nil, "ChangeID(%q, %q)", old, moved.Key)
		}
		moved.Expires = now().Add(time.Hour)
		return unless(s.Store.Flush(t.ctx, moved), nil, "Flush(%q)", moved.Key)
	})
	t.waitUntil(first)
	s.deleteExpired()
	s.marked(old, moved.Key)
}

// All other sessions of the subject end, and the renamed one goes on.
func renamedOutlivesDestroySubject(t *trial) {
	s := t.open()
	old, moved := s.rename()
	other := t.of(moved.Subject)
	s.create(other, nil)
	s.destroySubject(moved.Subject, moved.Key)
	s.lacks(other.Key)
	s.holds(moved)
	s.marked(old, moved.Key)
}

func renamedChain(t *trial) {
	const renames = 4
	s := t.open()
	old, moved := s.rename()
	keys := []string{old, moved.Key}
	for range renames {
		next := renamed(moved, t.key())
		s.changeID(moved.Key, next, nil)
		moved, keys = next, append(keys, next.Key)
	}
	for i, key := range keys[:len(keys)-1] {
		s.marked(key, keys[i+1])
	}
	s.unmarked(moved.Key)
}

func renamedNotFound(t *trial) {
	s := t.open()
	s.unmarked(t.key())
	_, moved := s.rename()
	s.unmarked(moved.Key)
	ended := t.record()
	s.create(ended, nil)
	s.unmarked(ended.Key)
	s.destroy(ended.Key, nil)
	s.unmarked(ended.Key)
	brief := s.createBrief()
	t.waitUntil(brief.Expires)
	s.unmarked(brief.Key)
}

// Once a record has ended, the marks that lead to it may be found or not. A key can be used
// again only if its mark is not found.
func renamedCreatedAgain(t *trial) {
	s := t.open()
	for _, sweep := range []bool{false, true} {
		old, moved := s.rename()
		s.destroy(moved.Key, nil)
		if sweep {
			s.deleteExpired()
		}
		rename, err := s.mark(old)
		if !errors.Is(err, driver.ErrNotFound) {
			t.expect(err, nil, "Renamed(%q), whose record has ended", old)
			if rename.To != moved.Key {
				t.Fatalf("Renamed(%q).To = %q; want %q", old, rename.To, moved.Key)
			}
		}
		r := newRecord(old)
		if err := s.Store.Create(t.ctx, r); errors.Is(err, driver.ErrExists) {
			s.lacks(old)
			continue
		} else {
			t.expect(err, nil, "Create(%q), whose record has ended under another key", old)
		}
		s.unmarked(old)
		s.holds(r)
	}
}

func renamedNotListed(t *trial) {
	s := t.open()
	stays := t.record()
	s.create(stays, nil)
	_, moved := s.rename()
	if _, err := collect(s.sessions().seq); !errors.Is(err, errors.ErrUnsupported) {
		t.yields(s.sessions(), stays, moved)
	}
	if t.tgt.Implements&SubjectLister != 0 {
		t.yields(s.subjectSessions(moved.Subject), stays, moved)
	}
}

// A renamed record counts once after it has expired, and its mark does not count.
func renamedNotCounted(t *trial) {
	s := t.open()
	for range 3 {
		s.rename()
	}
	if n := s.deleteExpired(); n != 0 {
		t.Fatalf("DeleteExpired() of live records and marks = %d; want 0", n)
	}
	records := 0
	var last time.Time
	t.inTime(func(expires time.Time) error {
		last = expires
		r := t.record()
		r.Expires = expires
		records++ // also if the call fails, because the record has expired before its version is read
		if err := s.createVersion(r); err != nil {
			return err
		}
		moved := renamed(r, t.key())
		return unless(s.Store.ChangeID(t.ctx, r.Key, moved), nil, "ChangeID(%q, %q)", r.Key, moved.Key)
	})
	t.waitUntil(last)
	if n := s.deleteExpired(); n > records {
		t.Fatalf("DeleteExpired() = %d after %d renamed records have expired; want %d at most", n, records, records)
	}
}

func renamedNotDestroyed(t *trial) {
	s := t.open()
	old, moved := s.rename()
	for range 2 {
		s.destroy(old, driver.ErrNotFound)
		s.marked(old, moved.Key)
	}
	s.holds(moved)
}

func renamedNotCreated(t *trial) {
	s := t.open()
	old, moved := s.rename()
	before := s.retrieve(moved.Key)
	s.create(newRecord(old), driver.ErrExists)
	s.lacks(old)
	s.marked(old, moved.Key)
	s.unchanged(before)
}

// No record can move to a marked key, not even the record that the mark leads to.
func renamedNotRenamed(t *trial) {
	s := t.open()
	old, moved := s.rename()
	other := t.record()
	s.create(other, nil)
	before, otherBefore := s.retrieve(moved.Key), s.retrieve(other.Key)
	s.changeID(other.Key, renamed(other, old), driver.ErrExists)
	s.changeID(moved.Key, renamed(moved, old), driver.ErrExists)
	s.lacks(old)
	s.marked(old, moved.Key)
	s.unmarked(other.Key, moved.Key)
	s.unchanged(before)
	s.unchanged(otherBefore)
}

func renamedAge(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	moved := renamed(r, t.key())
	began := time.Now()
	s.changeID(r.Key, moved, nil)
	ended := time.Now()
	between := func(least time.Duration) {
		t.Helper()
		age := s.marked(r.Key, moved.Key).Age
		fuzzy := t.tgt.Resolution + margin
		if most := time.Since(began) + fuzzy; age < max(least-fuzzy, 0) || age > most {
			t.Fatalf("Renamed(%q).Age = %v; want %v to %v", r.Key, age, max(least-fuzzy, 0), most)
		}
	}
	between(0)
	time.Sleep(t.tgt.Resolution + briefly)
	between(time.Since(ended))
}

func renamedNeverAdmits(t *trial) {
	s := t.open()
	old, moved := s.rename()
	before := s.retrieve(moved.Key)
	_, err := s.Store.Retrieve(t.ctx, old)
	t.expect(err, driver.ErrNotFound, "Retrieve(%q) of a marked key", old)
	late := renamed(withData(moved, "late"), old)
	s.flush(late, driver.ErrNotFound)
	further := renamed(late, t.key())
	s.changeID(old, further, driver.ErrNotFound)
	if t.tgt.Implements&Toucher != 0 {
		s.touch(old, moved.Expires.Add(time.Hour), driver.ErrNotFound)
	}
	s.lacks(old, further.Key)
	s.marked(old, moved.Key)
	s.unchanged(before)
}

func renamedNotAfterFailure(t *trial) {
	s := t.open()
	r, taken := t.record(), t.record()
	s.create(r, nil)
	s.create(taken, nil)
	stale, absent := renamed(r, t.key()), t.key()
	s.flush(withData(r, "first"), nil)
	s.changeID(r.Key, copyOf(stale), driver.ErrConflict)
	s.changeID(absent, copyOf(stale), driver.ErrNotFound)
	s.changeID(r.Key, renamed(s.retrieve(r.Key), taken.Key), driver.ErrExists)
	s.unmarked(r.Key, absent, stale.Key, taken.Key)
	s.create(newRecord(absent), nil)
	s.create(newRecord(stale.Key), nil)
	s.destroy(r.Key, nil)
	s.unmarked(r.Key)
}
