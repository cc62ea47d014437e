package drivertest

import (
	mathbits "math/bits"
	"slices"
	"time"

	"gosession.dev/session/driver"
)

const versionsDiffer = "A store must not use one version for two states of a key, " +
	"not even if the record was destroyed and created again in between."

const versionsWide = "A version that is drawn at random must have 60 random bits or more, " +
	"and a version must not be a time: two processes may read the same time."

var versionChecks = []check{
	{name: "Version/OfEachWrite", server: true, in: "Record.Version", rule: versionsDiffer, fn: versionOfEachWrite},
	{name: "Version/AfterDestroy", server: true, in: "Record.Version", rule: versionsDiffer, fn: versionAfterDestroy},
	{name: "Version/AfterExpiry", server: true, in: "Record.Version", rule: versionsDiffer, waits: true, fn: versionAfterExpiry},
	{name: "Version/Wide", server: true, in: "Record.Version", rule: versionsWide, fn: versionWide},
	{name: "Version/NoClock", server: true, in: "Record.Version", rule: versionsWide, fn: versionNoClock},
	{name: "Version/ThereAndBack", server: true, in: "Record.Version", rule: versionsDiffer, fn: versionThereAndBack},
}

// versions are the versions that a key has had.
type versions map[uint64]bool

// isNew checks that the key of r has not had the version of r before.
func (v versions) isNew(t *trial, r *driver.Record, state string) {
	t.Helper()
	if v[r.Version] {
		t.Fatalf("version of %q %s = %d, which an earlier state had; want a new one", r.Key, state, r.Version)
	}
	v[r.Version] = true
}

func versionOfEachWrite(t *trial) {
	s := t.open()
	had := versions{}
	r := t.record()
	s.create(r, nil)
	had.isNew(t, r, "after Create")
	for range 10 {
		s.flush(r, nil)
		had.isNew(t, r, "after Flush")
	}
}

func versionAfterDestroy(t *trial) {
	s := t.open()
	had := versions{}
	stale := t.record()
	s.create(stale, nil)
	had.isNew(t, stale, "after Create")
	for range 3 {
		s.destroy(stale.Key, nil)
		r := withData(newRecord(stale.Key), "another life")
		s.create(r, nil)
		had.isNew(t, r, "after Destroy and Create")
		s.flush(copyOf(stale), driver.ErrConflict)
	}
}

func versionAfterExpiry(t *trial) {
	s := t.open()
	had := versions{}
	old := s.createExpiring()
	had.isNew(t, old, "after Create")
	t.waitUntil(old.Expires)
	s.deleteExpired()
	r := newRecord(old.Key)
	s.create(r, nil)
	had.isNew(t, r, "created again after it had expired")
	old.Expires = now().Add(time.Hour)
	s.flush(old, driver.ErrConflict)
}

// The key to which a record is renamed may have held another record before, or the same one.
func versionThereAndBack(t *trial) {
	s := t.open()
	had := versions{}
	stale, r := t.record(), t.record()
	s.create(stale, nil)
	had.isNew(t, stale, "after Create")
	s.destroy(stale.Key, nil)
	s.create(r, nil)
	next := renamed(r, stale.Key)
	s.changeID(r.Key, next, nil)
	had.isNew(t, next, "after Destroy, and ChangeID of another record")
	s.flush(copyOf(stale), driver.ErrConflict)
	if t.tgt.Implements&RenameTracker != 0 {
		return // no record is renamed to a marked key
	}
	away := renamed(next, t.key())
	s.changeID(next.Key, away, nil)
	back := renamed(away, next.Key)
	s.changeID(away.Key, back, nil)
	had.isNew(t, back, "renamed away and back")
	s.flush(copyOf(next), driver.ErrConflict)
}

// A version that is drawn at random has enough bits, so that two processes hardly draw the
// same.
func versionWide(t *trial) {
	const draws, bits = 64, 60
	s := t.open()
	r := t.record()
	s.create(r, nil)
	first, falls, varies := r.Version, 0, uint64(0)
	for range draws {
		before := r.Version
		s.flush(r, nil)
		varies |= r.Version ^ first
		if r.Version < before {
			falls++
		}
	}
	if got := mathbits.OnesCount64(varies); falls > draws/8 && got < bits {
		t.Fatalf("%d versions of %q rise and fall, and differ in %d bits; want %d random bits at least", draws, r.Key, got, bits)
	}
}

// A version that is a time, or begins with one, moves on by as much as the clock does.
func versionNoClock(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	clocks := likelyClocks()
	for _, pause := range []time.Duration{50 * time.Millisecond, 150 * time.Millisecond, 90 * time.Millisecond} {
		before, start := r.Version, time.Now()
		time.Sleep(pause)
		s.flush(r, nil)
		moved, took := r.Version-before, time.Since(start)
		clocks = slices.DeleteFunc(clocks, func(c clock) bool { return !c.movedBy(moved, took) })
	}
	if len(clocks) > 0 {
		t.Fatalf("the version of %q moves on with the clock, in steps of %v; want a counter, or random bits", r.Key, clocks[0].step)
	}
}

// clock is a way to make a version of a time: the number of steps, above some other bits.
type clock struct {
	step  time.Duration
	shift int
}

func likelyClocks() (clocks []clock) {
	for _, step := range []time.Duration{time.Nanosecond, 100 * time.Nanosecond, time.Microsecond, time.Millisecond} {
		for shift := range 32 {
			clocks = append(clocks, clock{step, shift})
		}
	}
	return clocks
}

// movedBy reports whether the clock would have moved a version by so much in about that time.
func (c clock) movedBy(moved uint64, took time.Duration) bool {
	steps := float64(moved) / float64(uint64(1)<<c.shift)
	want := float64(took) / float64(c.step)
	return steps > want*0.6 && steps < want*1.1+1
}
