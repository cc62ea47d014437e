package drivertest

import (
	"context"
	"fmt"

	"gosession.dev/session/driver"
)

const (
	corruptStays = "Corrupt records: if the value under a key can't be parsed, " +
		"Retrieve, Flush, ChangeID and Touch must return ErrCorrupt and leave the value as it is."
	corruptIsTaken   = "If r.Key holds a corrupt value, Create and ChangeID must return ErrExists and leave the value as it is."
	corruptRemoved   = "Destroy must remove a corrupt record."
	corruptUnlisted  = "Listings must leave a corrupt record out."
	corruptIsAllowed = "A corrupt record must not make a listing, DeleteExpired, DestroySubject or Ping fail."
)

var corruptChecks = []check{
	{name: "Corrupt/Retrieve", given: "Corrupt", in: "package driver", rule: corruptStays, fn: corruptRetrieve},
	{name: "Corrupt/Flush", given: "Corrupt", in: "package driver", rule: corruptStays, fn: corruptFlush},
	{name: "Corrupt/ChangeID", given: "Corrupt", in: "package driver", rule: corruptStays, fn: corruptChangeID},
	{name: "Corrupt/Touch", given: "Corrupt", in: "package driver", rule: corruptStays, needs: Toucher, fn: corruptTouch},
	{name: "Corrupt/Create", given: "Corrupt", in: "package driver", rule: corruptIsTaken, fn: corruptCreate},
	{name: "Corrupt/ChangeIDOnto", given: "Corrupt", in: "package driver", rule: corruptIsTaken, fn: corruptChangeIDOnto},
	{name: "Corrupt/Destroy", given: "Corrupt", in: "package driver", rule: corruptRemoved, fn: corruptDestroy},
	{name: "Corrupt/Listed", given: "Corrupt", in: "package driver", rule: corruptUnlisted, fn: corruptListed},
	{name: "Corrupt/Others", given: "Corrupt", in: "package driver", rule: corruptIsAllowed, fn: corruptOthers},
}

// eachCorrupt calls f for each kind of garbage that the target can plant. r was stored under
// its key before, and the key holds garbage now. Garbage must still be there after f.
func (t *trial) eachCorrupt(f func(s *handle, r *driver.Record) (call string, got, want error)) {
	t.Helper()
	s, planted := t.openCorrupt()
	for kind, r := range planted {
		key := r.Key
		call, got, want := f(s, r)
		t.expect(got, want, "%s on garbage %q", call, kind)
		_, err := s.Store.Retrieve(t.ctx, key)
		t.expect(err, driver.ErrCorrupt, "%s on garbage %q, then Retrieve(%q)", call, kind, key)
	}
}

// openCorrupt opens a store and plants each kind of garbage in it. It returns the records that
// the garbage has replaced, by the name of its kind.
func (t *trial) openCorrupt() (*handle, map[string]*driver.Record) {
	t.Helper()
	s := t.open()
	planted := map[string]*driver.Record{}
	for kind, plant := range t.tgt.Corrupt {
		r := t.record()
		s.create(r, nil)
		plant(t.TB, t.dsn, r.Key)
		planted[kind] = r
	}
	return s, planted
}

func corruptRetrieve(t *trial) {
	t.eachCorrupt(func(s *handle, r *driver.Record) (string, error, error) {
		_, err := s.Store.Retrieve(t.ctx, r.Key)
		return fmt.Sprintf("Retrieve(%q)", r.Key), err, driver.ErrCorrupt
	})
}

func corruptFlush(t *trial) {
	t.eachCorrupt(func(s *handle, r *driver.Record) (string, error, error) {
		return fmt.Sprintf("Flush(%q)", r.Key), s.Store.Flush(t.ctx, r), driver.ErrCorrupt
	})
}

func corruptChangeID(t *trial) {
	t.eachCorrupt(func(s *handle, r *driver.Record) (string, error, error) {
		moved := renamed(r, t.key())
		err := s.Store.ChangeID(t.ctx, r.Key, moved)
		s.lacks(moved.Key)
		return fmt.Sprintf("ChangeID(%q, %q)", r.Key, moved.Key), err, driver.ErrCorrupt
	})
}

func corruptTouch(t *trial) {
	t.eachCorrupt(func(s *handle, r *driver.Record) (string, error, error) {
		return fmt.Sprintf("Touch(%q)", r.Key), s.toucher().Touch(t.ctx, r.Key, r.Expires), driver.ErrCorrupt
	})
}

func corruptCreate(t *trial) {
	t.eachCorrupt(func(s *handle, r *driver.Record) (string, error, error) {
		err := s.call(func(ctx context.Context) error { return s.Store.Create(ctx, newRecord(r.Key)) })
		return fmt.Sprintf("Create(%q)", r.Key), err, driver.ErrExists
	})
}

func corruptChangeIDOnto(t *trial) {
	t.eachCorrupt(func(s *handle, r *driver.Record) (string, error, error) {
		other := t.record()
		s.create(other, nil)
		before := s.retrieve(other.Key)
		err := s.call(func(ctx context.Context) error { return s.Store.ChangeID(ctx, other.Key, renamed(other, r.Key)) })
		s.unchanged(before)
		return fmt.Sprintf("ChangeID(%q, %q)", other.Key, r.Key), err, driver.ErrExists
	})
}

func corruptDestroy(t *trial) {
	s, planted := t.openCorrupt()
	for kind, r := range planted {
		t.expect(s.Store.Destroy(t.ctx, r.Key), nil, "Destroy(%q) of garbage %q", r.Key, kind)
		_, err := s.Store.Retrieve(t.ctx, r.Key)
		t.expect(err, driver.ErrNotFound, "Destroy(%q) of garbage %q, then Retrieve", r.Key, kind)
	}
}

func corruptListed(t *trial) {
	s, _ := t.openCorrupt()
	live := t.record()
	s.create(live, nil)
	for _, l := range t.lists(s, live.Subject) {
		t.yields(l(), live)
	}
}

func corruptOthers(t *trial) {
	s, _ := t.openCorrupt()
	live := t.record()
	s.create(live, nil)
	_, err := s.Store.DeleteExpired(t.ctx)
	t.expect(err, nil, "DeleteExpired() of a store with garbage")
	s.holds(live)
	if t.tgt.Implements&Pinger != 0 {
		t.expect(s.pinger().Ping(t.ctx), nil, "Ping() of a store with garbage")
	}
	if t.tgt.Implements&SubjectDestroyer != 0 {
		s.destroySubject(live.Subject)
		s.lacks(live.Key)
	}
}
