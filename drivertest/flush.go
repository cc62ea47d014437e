package drivertest

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
)

const (
	flushReplaces = "Flush replaces Data, Meta, Expires and Subject of the live record under r.Key, in one step, " +
		"if the version of that record is r.Version, and sets r.Version to the new version."
	flushRefuses = "If the stored version is another, Flush must return ErrConflict; if there is no live record, " +
		"it must return ErrNotFound and must not insert one; if the record is too large for the backend, " +
		"it must return ErrTooLarge."
	version0Matches = "Version 0 must match no record: if there is a live record, Flush returns ErrConflict."
)

var flushChecks = []check{
	{name: "Flush/Replaces", in: "Store.Flush", rule: flushReplaces, fn: flushAllFields},
	{name: "Flush/SetsVersion", in: "Store.Flush", rule: flushReplaces, fn: flushSetsVersion},
	{name: "Flush/InOneStep", in: "Store.Flush", rule: flushReplaces, fn: flushInOneStep},
	{name: "Flush/KeepsCreated", in: "Store.Flush",
		rule: "Created never changes after Create and need not be written.", fn: flushKeepsCreated},
	{name: "Flush/Conflict", server: true, in: "Store.Flush", rule: flushRefuses, fn: flushConflict},
	{name: "Flush/EqualData", server: true, in: "Store.Flush", rule: flushRefuses, fn: flushEqualData},
	{name: "Flush/Version0", server: true, in: "Store.Flush", rule: version0Matches, fn: flushVersion0},
	{name: "Flush/NeverInserts", in: "Store.Flush", rule: flushRefuses, fn: flushNeverInserts},
	{name: "Flush/Large", in: "Store.Flush", rule: flushRefuses, fn: flushLarge},
	{name: "Flush/OneWins", server: true, in: "Store.Flush", rule: flushRefuses, fn: flushOneWins},
}

// changed returns a copy of r in which all fields that Flush writes have other values.
func changed(r *driver.Record) *driver.Record {
	c := withData(r, "changed, and longer than it was before")
	c.Meta = []byte("changed")
	c.Expires = r.Expires.Add(5*time.Minute + 3*time.Millisecond)
	c.Subject = "user:changed"
	return c
}

func flushAllFields(t *trial) {
	s := t.open()
	bystander, r := t.record(), t.record()
	s.create(bystander, nil)
	s.create(r, nil)
	r = changed(r)
	s.flush(r, nil)
	s.holds(r, "Key", "Data", "Meta", "Expires", "Subject")
	r.Subject = ""
	s.flush(r, nil)
	s.holds(r, "Subject")
	s.holds(bystander, "Data", "Meta", "Expires", "Subject")
}

func flushSetsVersion(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	t.expect(s.Store.Flush(t.ctx, r), nil, "Flush(%q)", r.Key)
	s.accepts(r, "Flush")
}

// Each record that a reader sees comes from one Flush, not from two. The writer goes on
// while there is a reader. All pause now and then, so that the others can go on.
func flushInOneStep(t *trial) {
	const readers = 3
	s := t.open()
	r := t.record()
	setAll(r, "0")
	s.create(r, nil)
	key := r.Key
	var reading, written atomic.Int32
	reading.Store(readers)
	t.allSucceed(readers+1, func(i int) error {
		if i < readers {
			defer reading.Add(-1)
			return s.seesOneFlush(key, &written)
		}
		defer written.Store(math.MaxInt32)
		for reading.Load() > 0 {
			pauseIn(int(written.Load()))
			setAll(r, fmt.Sprint(written.Add(1)))
			if err := s.flushVersion(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// pauseIn pauses in every twentieth round of a loop, so that other goroutines can go on.
func pauseIn(n int) {
	if n%20 == 19 {
		time.Sleep(100 * time.Microsecond)
	}
}

func setAll(r *driver.Record, text string) {
	r.Data, r.Meta, r.Subject = []byte(text), []byte(text), text
}

// seesOneFlush reads often enough, and until there were some writes. It returns an error if
// a record does not come from one Flush.
func (h *handle) seesOneFlush(key string, written *atomic.Int32) error {
	const reads, writes = 100, 5
	for n := 0; n < reads || written.Load() < writes; n++ {
		pauseIn(n)
		r, err := h.Store.Retrieve(h.t.ctx, key)
		if err != nil {
			return unless(err, nil, "Retrieve(%q) concurrent with Flush", key)
		}
		if string(r.Data) != r.Subject || string(r.Meta) != r.Subject {
			return fmt.Errorf("Retrieve(%q) concurrent with Flush = Data %q, Meta %q, Subject %q; want all from one Flush",
				key, r.Data, r.Meta, r.Subject)
		}
	}
	return nil
}

func flushKeepsCreated(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	before := s.retrieve(r.Key)
	flushed := changed(r)
	s.flush(flushed, nil)
	s.holds(renamed(changed(before), flushed.Key), "Created")
}

func flushConflict(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	stale := changed(r)
	s.flush(withData(r, "first"), nil)
	before := s.retrieve(r.Key)
	s.flush(stale, driver.ErrConflict)
	s.unchanged(before)
}

// A write of what is stored already is a write: it is conditional, and gets a new version.
func flushEqualData(t *trial) {
	s, other := t.open(), t.open()
	r := t.record()
	s.create(r, nil)
	stale := copyOf(r)
	other.flush(r, nil)
	if r.Version == stale.Version {
		t.Fatalf("version of %q after a Flush of equal data = %d, as before; want a new one", r.Key, r.Version)
	}
	s.flush(copyOf(stale), driver.ErrConflict)
	s.flush(withData(stale, "stale"), driver.ErrConflict)
	s.holds(r)
	s.destroy(r.Key, nil)
	s.flush(copyOf(r), driver.ErrNotFound)
}

func flushVersion0(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	before := s.retrieve(r.Key)
	unknown := changed(r)
	unknown.Version = 0
	s.flush(unknown, driver.ErrConflict)
	s.unchanged(before)
	absent := newRecord(t.key())
	s.flush(absent, driver.ErrNotFound)
	s.lacks(absent.Key)
}

// There is no version of an absent record, so the caller uses the version of another record.
func flushNeverInserts(t *trial) {
	s := t.open()
	other := t.record()
	s.create(other, nil)
	r := renamed(other, t.key())
	s.flush(r, driver.ErrNotFound)
	s.lacks(r.Key)
	s.holds(other)
}

func flushLarge(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	before := s.retrieve(r.Key)
	r.Data = mebibyte()
	if t.fits(s.Store.Flush(t.ctx, r), "Flush(%q) of 1 MiB", r.Key) {
		s.holds(r)
	} else {
		s.unchanged(before)
	}
}

func flushOneWins(t *trial) {
	const rounds, rivals = 20, 4
	s := t.open()
	for range rounds {
		r := t.record()
		s.create(r, nil)
		errs := together(rivals, func(i int) error {
			return s.Store.Flush(t.ctx, withData(r, rival(i)))
		})
		winner := t.oneWins("Flush", errs, driver.ErrConflict)
		s.holds(withData(r, rival(winner)))
	}
}
