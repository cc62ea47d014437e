package drivertest

import (
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

const (
	sweepRemoves = "DeleteExpired removes the expired records in batches of bounded size, so that other calls do not have to wait, " +
		"and returns how many it has removed, even if it fails half-way."
	sweepSparesLive = "DeleteExpired must not remove live records."
)

var sweepChecks = []check{
	{name: "DeleteExpired/Counts", in: "Store.DeleteExpired", rule: sweepRemoves, waits: true, fn: sweepCounts},
	{name: "DeleteExpired/RemovesAll", in: "Store.DeleteExpired", rule: sweepRemoves, waits: true, fn: sweepRemovesAll},
	{name: "DeleteExpired/TwoAtOnce", in: "Store.DeleteExpired", rule: sweepRemoves, waits: true, fn: sweepTwoAtOnce},
	{name: "DeleteExpired/SparesLive", in: "Store.DeleteExpired", rule: sweepSparesLive, waits: true, fn: sweepSpares},
	{name: "DeleteExpired/SparesReborn", in: "Store.DeleteExpired", rule: sweepSparesLive, waits: true, fn: sweepSparesReborn},
}

// The backend may remove expired records by itself, so the result may be lower than their
// number.
func sweepCounts(t *trial) {
	const live = 5
	s := t.open()
	s.createMany(live)
	t.waitUntil(s.createManyBrief(20)[0].Expires)
	expired := t.keys - live
	if n := s.deleteExpired(); n < 0 || n > expired {
		t.Fatalf("DeleteExpired() = %d after %d records have expired; want 0 to %d", n, expired, expired)
	}
}

func sweepRemovesAll(t *trial) {
	const expired = 20
	s := t.open()
	if n := s.deleteExpired(); n != 0 {
		t.Fatalf("DeleteExpired() of an empty store = %d; want 0", n)
	}
	t.waitUntil(s.createManyBrief(expired)[0].Expires)
	s.deleteExpired()
	if n := s.deleteExpired(); n != 0 {
		t.Fatalf("DeleteExpired() = %d right after another; want 0", n)
	}
}

// A record is removed once, so only one of the two calls counts it.
func sweepTwoAtOnce(t *trial) {
	handles := []*handle{t.open(), t.open()}
	t.waitUntil(handles[0].createManyBrief(40)[0].Expires)
	expired := t.keys
	var removed [2]int
	t.allSucceed(2, func(i int) (err error) {
		removed[i], err = handles[i].Store.DeleteExpired(t.ctx)
		return unless(err, nil, "DeleteExpired() concurrent with another")
	})
	if removed[0]+removed[1] > expired {
		t.Fatalf("two concurrent calls of DeleteExpired() = %d and %d after %d records have expired; want at most %d in all",
			removed[0], removed[1], expired, expired)
	}
}

// DeleteExpired judges a record by the expiry that was set last.
func sweepSpares(t *trial) {
	s := t.open()
	r, extended := t.record(), &driver.Record{}
	s.create(r, nil)
	t.inTime(func(expires time.Time) error {
		extended = t.record()
		extended.Expires = expires
		if err := s.createVersion(extended); err != nil {
			return err
		}
		extended.Expires = r.Expires
		return s.flushVersion(extended)
	})
	t.waitUntil(s.createBrief().Expires)
	s.deleteExpired()
	s.holds(r)
	s.holds(extended)
}

// A new record may be created under a key after DeleteExpired has chosen the key and before
// it deletes.
func sweepSparesReborn(t *trial) {
	const expired = 30
	handles := []*handle{t.open(), t.open()}
	old := handles[0].createManyBrief(expired)
	t.waitUntil(old[0].Expires)
	reborn := make([]*driver.Record, expired)
	for i, r := range old {
		reborn[i] = newRecord(r.Key)
	}
	t.allSucceed(3, func(i int) error {
		if i < 2 {
			_, err := handles[i].Store.DeleteExpired(t.ctx)
			return unless(err, nil, "DeleteExpired() concurrent with Create")
		}
		for _, r := range reborn {
			if err := handles[0].Store.Create(t.ctx, r); err != nil {
				return fmt.Errorf("Create(%q) over an expired record = %s; want nil", r.Key, text(err))
			}
		}
		return nil
	})
	for _, r := range reborn {
		handles[0].holds(r)
	}
}
