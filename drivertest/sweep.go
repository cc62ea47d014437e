package drivertest

import (
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

const (
	sweepRemoves = "DeleteExpired removes the records that have expired, in batches of bounded size " +
		"so that others are not kept waiting, and returns how many it removed, also when it fails half-way."
	sweepSparesLive = "It must not remove live records."
)

var sweepChecks = []check{
	{name: "DeleteExpired/Counts", in: "Store.DeleteExpired", rule: sweepRemoves, fn: sweepCounts},
	{name: "DeleteExpired/RemovesAll", in: "Store.DeleteExpired", rule: sweepRemoves, fn: sweepRemovesAll},
	{name: "DeleteExpired/TwoAtOnce", in: "Store.DeleteExpired", rule: sweepRemoves, fn: sweepTwoAtOnce},
	{name: "DeleteExpired/SparesLive", in: "Store.DeleteExpired", rule: sweepSparesLive, fn: sweepSpares},
	{name: "DeleteExpired/SparesReborn", in: "Store.DeleteExpired", rule: sweepSparesLive, fn: sweepSparesReborn},
}

// Fewer may be removed than have expired, and none: a backend may be faster.
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

// A record is removed once, so it is counted by one of the sweepers.
func sweepTwoAtOnce(t *trial) {
	handles := []*handle{t.open(), t.open()}
	t.waitUntil(handles[0].createManyBrief(40)[0].Expires)
	expired := t.keys
	var removed [2]int
	t.allSucceed(2, func(i int) (err error) {
		removed[i], err = handles[i].Store.DeleteExpired(t.ctx)
		return unless(err, nil, "DeleteExpired() beside another")
	})
	if removed[0]+removed[1] > expired {
		t.Fatalf("DeleteExpired() = %d and %d, at once, after %d records have expired; want %d in all at most",
			removed[0], removed[1], expired, expired)
	}
}

// The expiry that counts is the last that was set.
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

// A sweeper that has chosen what to delete may find something else there when
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
			return unless(err, nil, "DeleteExpired() beside Create")
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
