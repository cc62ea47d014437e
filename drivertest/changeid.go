package drivertest

import (
	"gosession.dev/session/driver"
)

const (
	changeIDMoves  = "After ChangeID has returned nil, the record must be live under r.Key and absent under oldKey."
	changeIDWrites = "ChangeID is a Flush that also moves the record from oldKey to r.Key, which differ."
	changeIDFails  = "ChangeID must check oldKey first, by the same rules as Flush (ErrConflict, ErrNotFound), " +
		"and must then return ErrExists if r.Key holds a live record; in each of these cases nothing changes."
	expiredIsAbsent = "Expired means absent, in every method, whether or not the backend has removed the record yet."
)

var changeIDChecks = []check{
	{name: "ChangeID/Moves", in: "Store.ChangeID", rule: changeIDMoves, fn: changeIDMovesRecord},
	{name: "ChangeID/Writes", in: "Store.ChangeID", rule: changeIDWrites, fn: changeIDWritesRecord},
	{name: "ChangeID/SetsVersion", in: "Store.ChangeID", rule: changeIDWrites, fn: changeIDSetsVersion},
	{name: "ChangeID/KeepsCreated", in: "Record.Created", rule: comesBackEqual, fn: changeIDKeepsCreated},
	{name: "ChangeID/Conflict", server: true, in: "Store.ChangeID", rule: changeIDFails, fn: changeIDConflict},
	{name: "ChangeID/NeverInserts", in: "Store.ChangeID", rule: changeIDFails, fn: changeIDNeverInserts},
	{name: "ChangeID/NeverOverwrites", server: true, in: "Store.ChangeID", rule: changeIDFails, fn: changeIDNeverOverwrites},
	{name: "ChangeID/OldKeyFirst", server: true, in: "Store.ChangeID", rule: changeIDFails, fn: changeIDOldKeyFirst},
	{name: "ChangeID/Version0", server: true, in: "Store.ChangeID", rule: changeIDFails, fn: changeIDVersion0},
	{name: "ChangeID/Interrupted", server: true, in: "Store.ChangeID", rule: changeIDOrder, fn: changeIDInterrupted},
	{name: "ChangeID/OverExpired", in: "package driver", rule: expiredIsAbsent, waits: true, fn: changeIDOverExpired},
	{name: "ChangeID/Large", in: "Store.ChangeID", rule: changeIDWrites, fn: changeIDLarge},
	{name: "ChangeID/OneWins", server: true, in: "Store.ChangeID", rule: changeIDFails, fn: changeIDOneWins},
	{name: "ChangeID/Races", server: true, in: "Store.ChangeID", rule: changeIDMoves, fn: changeIDRaces},
}

func changeIDMovesRecord(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	moved := renamed(r, t.key())
	s.changeID(r.Key, moved, nil)
	s.holds(moved)
	s.lacks(r.Key)
}

func changeIDWritesRecord(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	moved := renamed(changed(r), t.key())
	s.changeID(r.Key, moved, nil)
	s.holds(moved, "Key", "Data", "Meta", "Expires", "Subject")
	again := renamed(moved, t.key())
	again.Subject = ""
	s.changeID(moved.Key, again, nil)
	s.holds(again, "Subject")
}

func changeIDSetsVersion(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	moved := renamed(r, t.key())
	t.expect(s.Store.ChangeID(t.ctx, r.Key, moved), nil, "ChangeID(%q, %q)", r.Key, moved.Key)
	s.accepts(moved, "ChangeID")
}

func changeIDKeepsCreated(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	moved := renamed(s.retrieve(r.Key), t.key())
	created := moved.Created
	s.changeID(r.Key, moved, nil)
	moved.Created = created
	s.holds(moved, "Created")
}

func changeIDConflict(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	stale := renamed(changed(r), t.key())
	s.flush(withData(r, "first"), nil)
	before := s.retrieve(r.Key)
	s.changeID(r.Key, stale, driver.ErrConflict)
	s.unchanged(before)
	s.lacks(stale.Key)
}

func changeIDNeverInserts(t *trial) {
	s := t.open()
	other := t.record()
	s.create(other, nil)
	absent, r := t.key(), renamed(other, t.key())
	s.changeID(absent, r, driver.ErrNotFound)
	s.lacks(absent, r.Key)
	s.holds(other)
}

func changeIDNeverOverwrites(t *trial) {
	s := t.open()
	r, other := t.record(), t.record()
	s.create(r, nil)
	s.create(other, nil)
	before, otherBefore := s.retrieve(r.Key), s.retrieve(other.Key)
	s.changeID(r.Key, renamed(r, other.Key), driver.ErrExists)
	s.unchanged(before)
	s.unchanged(otherBefore)
}

func changeIDOldKeyFirst(t *trial) {
	s := t.open()
	r, taken := t.record(), t.record()
	s.create(r, nil)
	s.create(taken, nil)
	stale := renamed(r, taken.Key)
	s.flush(withData(r, "first"), nil)
	before, takenBefore := s.retrieve(r.Key), s.retrieve(taken.Key)
	s.changeID(r.Key, stale, driver.ErrConflict)
	s.changeID(t.key(), renamed(r, taken.Key), driver.ErrNotFound)
	s.unchanged(before)
	s.unchanged(takenBefore)
}

func changeIDVersion0(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	before := s.retrieve(r.Key)
	moved := renamed(r, t.key())
	moved.Version = 0
	s.changeID(r.Key, moved, driver.ErrConflict)
	s.unchanged(before)
	s.lacks(moved.Key)
	s.changeID(t.key(), moved, driver.ErrNotFound)
	s.lacks(moved.Key)
}

func changeIDOverExpired(t *trial) {
	s := t.open()
	r := nextUser(t.key())
	s.create(r, nil)
	old := s.createBrief()
	t.waitUntil(old.Expires)
	moved := renamed(r, old.Key)
	s.changeID(r.Key, moved, nil)
	s.replaces(moved, old)
}

func changeIDLarge(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	before := s.retrieve(r.Key)
	moved := renamed(r, t.key())
	moved.Data = mebibyte()
	if t.fits(s.Store.ChangeID(t.ctx, r.Key, moved), "ChangeID(%q, %q) with 1 MiB", r.Key, moved.Key) {
		s.holds(moved)
	} else {
		s.unchanged(before)
		s.lacks(moved.Key)
	}
}

// A browser sends a sign-in several times: one of the requests gets the session.
func changeIDOneWins(t *trial) {
	const rounds, rivals = 20, 3
	s := t.open()
	for range rounds {
		r := t.record()
		s.create(r, nil)
		moved := make([]*driver.Record, rivals)
		for i := range moved {
			moved[i] = renamed(r, t.key())
		}
		errs := together(rivals, func(i int) error {
			return s.Store.ChangeID(t.ctx, r.Key, copyOf(moved[i]))
		})
		winner := t.oneWins("ChangeID", errs, driver.ErrNotFound, driver.ErrConflict)
		for i, m := range moved {
			if i == winner {
				s.holds(m)
			} else {
				s.lacks(m.Key)
			}
		}
	}
}

// ChangeID, Flush and, in every other round, Destroy are called on one record at once. Their
// results, and the record that is live afterwards, must be possible in some order of the calls.
func changeIDRaces(t *trial) {
	const rounds = 40
	a, b := t.open(), t.open()
	for round := range rounds {
		r := t.record()
		a.create(r, nil)
		moved := renamed(r, t.key())
		errs := together(2+round%2, func(i int) error {
			switch i {
			case 0:
				return a.Store.ChangeID(t.ctx, r.Key, copyOf(moved))
			case 1:
				return b.Store.Flush(t.ctx, withData(r, "flushed"))
			}
			return a.Store.Destroy(t.ctx, r.Key)
		})
		t.judgeRace(b, r, moved, append(errs, driver.ErrNotFound)[:3])
	}
}

func (t *trial) judgeRace(s *handle, r, moved *driver.Record, errs []error) {
	t.Helper()
	calls := "concurrent ChangeID, Flush, Destroy = " + text(errs[0]) + ", " + text(errs[1]) + ", " + text(errs[2])
	for _, err := range errs {
		if err != nil && !gone(err) {
			t.Fatalf("%s; want nil, ErrConflict or ErrNotFound", calls)
		}
	}
	hasMoved, flushed, destroyed := errs[0] == nil, errs[1] == nil, errs[2] == nil
	switch {
	case hasMoved && (flushed || destroyed):
		t.Fatalf("%s; want either ChangeID or the others to succeed", calls)
	case !hasMoved && !flushed && !destroyed:
		t.Fatalf("%s; want one of them to succeed", calls)
	}
	alive := map[string]bool{r.Key: !hasMoved && !destroyed, moved.Key: hasMoved}
	for _, key := range []string{r.Key, moved.Key} {
		_, err := s.Store.Retrieve(t.ctx, key)
		if found := err == nil; found != alive[key] {
			t.Fatalf("%s, then Retrieve(%q) finds a record: %t; want %t", calls, key, found, alive[key])
		}
	}
}
