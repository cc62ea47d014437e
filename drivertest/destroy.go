package drivertest

import (
	"gosession.dev/session/driver"
)

const (
	destroyNotFound = "If there is no live record, Destroy must return ErrNotFound."
	destroyIsFinal  = "After Destroy has returned nil, no call may bring the record back, not even a call that began before."
)

var destroyChecks = []check{
	{name: "Destroy/Removes", in: "Store.Destroy",
		rule: "Destroy removes the live record under key, whatever its version.", fn: destroyRemoves},
	{name: "Destroy/NotFound", in: "Store.Destroy", rule: destroyNotFound, fn: destroyAbsent},
	{name: "Destroy/IsFinal", in: "Store.Destroy", rule: destroyIsFinal, fn: destroyThenWrite},
	{name: "Destroy/RacesWrites", in: "Store.Destroy", rule: destroyIsFinal, fn: destroyRacesWrites},
}

func destroyRemoves(t *trial) {
	s := t.open()
	r, other := t.record(), t.record()
	s.create(r, nil)
	s.create(other, nil)
	s.destroy(r.Key, nil)
	s.lacks(r.Key)
	s.holds(other)
}

func destroyAbsent(t *trial) {
	s := t.open()
	s.destroy(t.key(), driver.ErrNotFound)
	r := t.record()
	s.create(r, nil)
	s.destroy(r.Key, nil)
	s.destroy(r.Key, driver.ErrNotFound)
}

// A request was in flight when its session was destroyed, and writes afterwards.
func destroyThenWrite(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	s.destroy(r.Key, nil)
	moved := renamed(r, t.key())
	s.flush(copyOf(r), driver.ErrNotFound)
	s.changeID(r.Key, moved, driver.ErrNotFound)
	if t.tgt.Implements&Toucher != 0 {
		s.touch(r.Key, r.Expires, driver.ErrNotFound)
	}
	s.lacks(r.Key, moved.Key)
}

// In whatever order the calls take effect, Destroy finds the record, because no other call
// ends or moves it.
func destroyRacesWrites(t *trial) {
	const rounds = 40
	a, b := t.open(), t.open()
	for range rounds {
		r := t.record()
		a.create(r, nil)
		errs := together(3, func(i int) error {
			switch {
			case i == 0:
				return a.Store.Flush(t.ctx, withData(r, "in flight"))
			case i == 1 && t.tgt.Implements&Toucher != 0:
				return b.toucher().Touch(t.ctx, r.Key, r.Expires)
			case i == 2:
				return b.Store.Destroy(t.ctx, r.Key)
			}
			return nil
		})
		t.expect(errs[2], nil, "Destroy(%q) concurrent with Flush and Touch", r.Key)
		for _, err := range errs[:2] {
			if err != nil && !gone(err) {
				t.Fatalf("Flush or Touch(%q) concurrent with Destroy = %s; want nil or ErrNotFound", r.Key, text(err))
			}
		}
		a.lacks(r.Key)
	}
}
