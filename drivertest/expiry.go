package drivertest

import (
	"time"

	"gosession.dev/session/driver"
)

const (
	expiresWhen = "Expires is when the record becomes absent, in UTC and whole milliseconds, up to the end of the year 9999."
	listsNoDead = "Expired records must not be yielded."
)

var expiryChecks = []check{
	{name: "Expiry/NotBefore", in: "Record.Expires", rule: expiresWhen, fn: expiryNotBefore},
	{name: "Expiry/Far", in: "Record.Expires", rule: expiresWhen, fn: expiryFar},
	{name: "Expiry/Retrieve", in: "Store.Retrieve", rule: retrieveNotFound, waits: true, fn: retrieveExpired},
	{name: "Expiry/Flush", in: "Store.Flush", rule: flushRefuses, waits: true, fn: flushExpired},
	{name: "Expiry/ChangeID", in: "Store.ChangeID", rule: changeIDFails, waits: true, fn: changeIDExpired},
	{name: "Expiry/Destroy", in: "Store.Destroy", rule: destroyNotFound, waits: true, fn: destroyExpired},
	{name: "Expiry/Touch", in: "Toucher.Touch", rule: touchNotFound, needs: Toucher, waits: true, fn: touchExpired},
	{name: "Expiry/Sessions", server: true, in: "Store.Sessions", rule: listsNoDead, waits: true, fn: sessionsExpired},
	{name: "Expiry/SubjectSessions", in: "SubjectLister.SubjectSessions", rule: subjectsOnly,
		needs: SubjectLister, waits: true, fn: subjectSessionsExpired},
	{name: "Expiry/FlushExtends", in: "Store.Flush", rule: flushReplaces, waits: true, fn: flushExtends},
	{name: "Expiry/FlushShortens", in: "Store.Flush", rule: flushReplaces, waits: true, fn: flushShortens},
	{name: "Expiry/TouchExtends", in: "Toucher.Touch", rule: touchSets, needs: Toucher, waits: true, fn: touchExtends},
	{name: "Expiry/TouchShortens", in: "Toucher.Touch", rule: touchSets, needs: Toucher, waits: true, fn: touchShortens},
	{name: "Expiry/ChangeIDShortens", in: "Store.ChangeID", rule: changeIDWrites, waits: true, fn: changeIDShortens},
}

// Some backends count in whole seconds, and some take a long TTL for a date in the past.
func expiryNotBefore(t *trial) {
	s := t.open()
	t.inTime(func(expires time.Time) error {
		r := t.record()
		r.Expires = expires
		if err := s.Store.Create(t.ctx, r); err != nil {
			return unless(err, nil, "Create(%q)", r.Key)
		}
		_, err := s.Store.Retrieve(t.ctx, r.Key)
		return unless(err, nil, "Retrieve(%q) %v before it expires", r.Key, t.tgt.Resolution+briefly)
	})
	for _, days := range []int{1, 31, 365, 100 * 365} {
		r := t.record()
		r.Expires = now().AddDate(0, 0, days)
		s.create(r, nil)
		_, err := s.Store.Retrieve(t.ctx, r.Key)
		t.expect(err, nil, "Retrieve(%q) %d days before it expires", r.Key, days)
	}
}

// farTimes are at and beyond the limits of some types: seconds in 31 and 32 bits, nanoseconds
// in 63 and 64 bits, years of four digits.
var farTimes = []time.Time{
	time.Date(2038, 1, 19, 3, 14, 7, int(999*time.Millisecond), time.UTC),
	time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
	time.Date(2106, 2, 7, 6, 28, 16, int(time.Millisecond), time.UTC),
	time.Date(2262, 4, 11, 23, 47, 16, int(855*time.Millisecond), time.UTC),
	time.Date(2554, 7, 21, 23, 34, 34, 0, time.UTC),
	time.Date(9999, 12, 31, 23, 59, 59, int(999*time.Millisecond), time.UTC),
}

// A record whose expiry is far in the future is live like any other, whichever method has set
// the expiry, and Flush can set an earlier one.
func expiryFar(t *trial) {
	s := t.open()
	var live []*driver.Record
	for _, far := range farTimes {
		created, flushed, moved := t.record(), t.record(), t.record()
		created.Expires = far
		s.create(created, nil)
		s.create(flushed, nil)
		flushed.Expires = far
		s.flush(flushed, nil)
		s.create(moved, nil)
		oldKey := moved.Key
		moved = renamed(moved, t.key())
		moved.Expires = far
		s.changeID(oldKey, moved, nil)
		live = append(live, created, flushed, moved)
		if t.tgt.Implements&Toucher != 0 {
			touched := t.record()
			s.create(touched, nil)
			touched.Expires = far
			s.touch(touched.Key, far, nil)
			live = append(live, touched)
		}
	}
	s.deleteExpired()
	s.allLive(live)
	for _, r := range live {
		r.Expires = now().Add(time.Hour)
		s.flush(r, nil)
	}
	s.allLive(live)
}

// allLive checks that the store finds and lists these records, and lists no others.
func (h *handle) allLive(records []*driver.Record) {
	h.t.Helper()
	for _, r := range records {
		h.holds(r, "Expires")
		h.t.expect(h.askVersion(r), nil, "Retrieve(%q)", r.Key)
	}
	if h.t.tgt.Implements&ClientSide != 0 {
		return
	}
	for _, l := range h.t.lists(h, records[0].Subject) {
		h.t.yields(l(), records...)
	}
}

func flushExpired(t *trial) {
	s := t.open()
	r := s.createExpiring()
	t.waitUntil(r.Expires)
	r.Expires = now().Add(time.Hour)
	s.flush(copyOf(r), driver.ErrNotFound)
	s.flush(stale(r), driver.ErrNotFound)
	s.lacks(r.Key)
}

func changeIDExpired(t *trial) {
	s := t.open()
	r := s.createExpiring()
	t.waitUntil(r.Expires)
	moved := renamed(r, t.key())
	moved.Expires = now().Add(time.Hour)
	s.changeID(r.Key, copyOf(moved), driver.ErrNotFound)
	s.changeID(r.Key, stale(moved), driver.ErrNotFound)
	s.lacks(r.Key, moved.Key)
}

// stale returns a copy of r with a version that its key does not have. An expired record has no
// version, so a write over it is no conflict.
func stale(r *driver.Record) *driver.Record {
	c := copyOf(r)
	c.Version ^= 1
	return c
}

func destroyExpired(t *trial) {
	s := t.open()
	r := s.createBrief()
	t.waitUntil(r.Expires)
	s.destroy(r.Key, driver.ErrNotFound)
}

func touchExpired(t *trial) {
	s := t.open()
	r := s.createBrief()
	t.waitUntil(r.Expires)
	s.touch(r.Key, now().Add(time.Hour), driver.ErrNotFound)
	s.lacks(r.Key)
}

func sessionsExpired(t *trial) {
	s := t.open()
	live := t.record()
	s.create(live, nil)
	t.waitUntil(s.createManyBrief(3)[0].Expires)
	t.yields(s.sessions(), live)
}

func subjectSessionsExpired(t *trial) {
	s := t.open()
	live := t.record()
	s.create(live, nil)
	t.waitUntil(s.createManyBrief(3)[0].Expires)
	t.yields(s.subjectSessions(live.Subject), live)
}

func flushExtends(t *trial) {
	t.extends(func(s *handle, r *driver.Record) error {
		return unless(s.Store.Flush(t.ctx, r), nil, "Flush(%q)", r.Key)
	})
}

func touchExtends(t *trial) {
	t.extends(func(s *handle, r *driver.Record) error {
		return unless(s.toucher().Touch(t.ctx, r.Key, r.Expires), nil, "Touch(%q)", r.Key)
	})
}

// extends checks that a record lives beyond its first expiry after write has set a later one.
func (t *trial) extends(write func(*handle, *driver.Record) error) {
	t.Helper()
	s := t.open()
	var r *driver.Record
	var first time.Time
	t.inTime(func(expires time.Time) error {
		r, first = t.record(), expires
		r.Expires = expires
		if err := s.createVersion(r); err != nil {
			return err
		}
		r.Expires = now().Add(time.Hour)
		return write(s, r)
	})
	t.waitUntil(first)
	_, err := s.Store.Retrieve(t.ctx, r.Key)
	t.expect(err, nil, "Retrieve(%q) after its first expiry, which has moved", r.Key)
}

func flushShortens(t *trial) {
	t.shortens(func(s *handle, r *driver.Record) error {
		return unless(s.Store.Flush(t.ctx, r), nil, "Flush(%q)", r.Key)
	})
}

func touchShortens(t *trial) {
	t.shortens(func(s *handle, r *driver.Record) error {
		return unless(s.toucher().Touch(t.ctx, r.Key, r.Expires), nil, "Touch(%q)", r.Key)
	})
}

func changeIDShortens(t *trial) {
	t.shortens(func(s *handle, r *driver.Record) error {
		oldKey := r.Key
		r.Key += "-moved"
		return unless(s.Store.ChangeID(t.ctx, oldKey, r), nil, "ChangeID(%q, %q)", oldKey, r.Key)
	})
}

// shortens checks that a record ends before its first expiry after write has set an earlier
// one.
func (t *trial) shortens(write func(*handle, *driver.Record) error) {
	t.Helper()
	s := t.open()
	var r *driver.Record
	t.inTime(func(expires time.Time) error {
		r = t.record()
		if err := s.createVersion(r); err != nil {
			return err
		}
		r.Expires = expires
		return write(s, r)
	})
	t.waitUntil(r.Expires)
	s.lacks(r.Key)
}
