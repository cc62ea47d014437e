package drivertest

import (
	"time"

	"gosession.dev/session/driver"
)

const (
	expiresWhen = "Expires is when the record becomes absent, in UTC and whole milliseconds."
	listsNoDead = "Expired records must not be yielded."
)

var expiryChecks = []check{
	{name: "Expiry/NotBefore", in: "Record.Expires", rule: expiresWhen, fn: expiryNotBefore},
	{name: "Expiry/Retrieve", in: "Store.Retrieve", rule: retrieveNotFound, fn: retrieveExpired},
	{name: "Expiry/Flush", in: "Store.Flush", rule: flushRefuses, fn: flushExpired},
	{name: "Expiry/ChangeID", in: "Store.ChangeID", rule: changeIDFails, fn: changeIDExpired},
	{name: "Expiry/Destroy", in: "Store.Destroy", rule: destroyNotFound, fn: destroyExpired},
	{name: "Expiry/Touch", in: "Toucher.Touch", rule: touchNotFound, needs: Toucher, fn: touchExpired},
	{name: "Expiry/Sessions", server: true, in: "Store.Sessions", rule: listsNoDead, fn: sessionsExpired},
	{name: "Expiry/SubjectSessions", in: "SubjectLister.SubjectSessions", rule: subjectsOnly,
		needs: SubjectLister, fn: subjectSessionsExpired},
	{name: "Expiry/FlushExtends", in: "Store.Flush", rule: flushReplaces, fn: flushExtends},
	{name: "Expiry/FlushShortens", in: "Store.Flush", rule: flushReplaces, fn: flushShortens},
	{name: "Expiry/TouchExtends", in: "Toucher.Touch", rule: touchSets, needs: Toucher, fn: touchExtends},
	{name: "Expiry/TouchShortens", in: "Toucher.Touch", rule: touchSets, needs: Toucher, fn: touchShortens},
	{name: "Expiry/ChangeIDShortens", in: "Store.ChangeID", rule: changeIDWrites, fn: changeIDShortens},
}

// Some backends count in seconds, and some take a long TTL for a date in the
// past.
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

func flushExpired(t *trial) {
	s := t.open()
	r := s.createExpiring()
	t.waitUntil(r.Expires)
	r.Expires = now().Add(time.Hour)
	s.flush(r, driver.ErrNotFound)
	s.lacks(r.Key)
}

func changeIDExpired(t *trial) {
	s := t.open()
	r := s.createExpiring()
	t.waitUntil(r.Expires)
	moved := renamed(r, t.key())
	moved.Expires = now().Add(time.Hour)
	s.changeID(r.Key, moved, driver.ErrNotFound)
	s.lacks(r.Key, moved.Key)
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

// extends checks that a record lives beyond its first expiry if write, called
// with a later one, sets that.
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
	t.expect(err, nil, "Retrieve(%q), whose expiry was moved on", r.Key)
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

// shortens checks that a record ends before its first expiry if write, called
// with an earlier one, sets that.
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
