package drivertest

import (
	"time"

	"gosession.dev/session/driver"
)

const versionsDiffer = "A store must not use one version for two states of a key, " +
	"not even if the key was destroyed and created again in between."

var versionChecks = []check{
	{name: "Version/OfEachWrite", server: true, in: "Record.Version", rule: versionsDiffer, fn: versionOfEachWrite},
	{name: "Version/AfterDestroy", server: true, in: "Record.Version", rule: versionsDiffer, fn: versionAfterDestroy},
	{name: "Version/AfterExpiry", server: true, in: "Record.Version", rule: versionsDiffer, fn: versionAfterExpiry},
	{name: "Version/ThereAndBack", server: true, in: "Record.Version", rule: versionsDiffer, fn: versionThereAndBack},
}

// versions are those that a key has had.
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

// A key that a record is renamed to may have held another, or the same record.
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
