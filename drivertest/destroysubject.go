package drivertest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"gosession.dev/session/driver"
)

const (
	destroysAllBut = "DestroySubject removes all records of subject but those under the keys in except."
	leavesNone     = "Every record of the subject that was alive when the call began must be gone when it returned nil, " +
		"one that is renamed meanwhile included."
)

var destroySubjectChecks = []check{
	{name: "DestroySubject/RemovesAll", in: "SubjectDestroyer.DestroySubject", rule: leavesNone,
		needs: SubjectDestroyer, fn: destroySubjectAll},
	{name: "DestroySubject/LeavesOthers", in: "SubjectDestroyer.DestroySubject", rule: destroysAllBut,
		needs: SubjectDestroyer, fn: destroySubjectLeavesOthers},
	{name: "DestroySubject/Except", in: "SubjectDestroyer.DestroySubject", rule: destroysAllBut,
		needs: SubjectDestroyer, fn: destroySubjectExcept},
	{name: "DestroySubject/None", in: "SubjectDestroyer.DestroySubject", rule: "A subject without records is no error.",
		needs: SubjectDestroyer, fn: destroySubjectNone},
	{name: "DestroySubject/NextSignIn", in: "Store.Retrieve",
		rule:  returnsStored,
		needs: SubjectDestroyer, fn: destroySubjectNextSignIn},
	{name: "DestroySubject/RacesFlush", in: "SubjectDestroyer.DestroySubject", rule: destroysAllBut,
		needs: SubjectDestroyer, fn: destroySubjectRacesFlush},
	{name: "DestroySubject/RacesChangeID", in: "SubjectDestroyer.DestroySubject", rule: leavesNone,
		needs: SubjectDestroyer, fn: destroySubjectRaces},
}

// A session gets its subject when it begins, at sign-in by ChangeID, or later by
// Flush.
func destroySubjectAll(t *trial) {
	s := t.open()
	records := s.createMany(300)
	signedIn, flushed := t.of(""), t.of("")
	s.create(signedIn, nil)
	s.create(flushed, nil)
	moved := renamed(signedIn, t.key())
	moved.Subject, flushed.Subject = records[0].Subject, records[0].Subject
	s.changeID(signedIn.Key, moved, nil)
	s.flush(flushed, nil)
	s.destroySubject(records[0].Subject)
	for _, r := range append(records, moved, flushed) {
		s.lacks(r.Key)
	}
}

func destroySubjectLeavesOthers(t *trial) {
	s := t.open()
	ended, other, nobody := t.of("ann"), t.of("Ann"), t.of("")
	for _, r := range []*driver.Record{ended, other, nobody} {
		s.create(r, nil)
	}
	s.destroySubject("ann")
	s.lacks(ended.Key)
	s.holds(other)
	s.holds(nobody)
}

func destroySubjectExcept(t *trial) {
	s := t.open()
	phone, laptop, desk := t.of("ann"), t.of("ann"), t.of("ann")
	for _, r := range []*driver.Record{phone, laptop, desk} {
		s.create(r, nil)
	}
	s.destroySubject("ann", laptop.Key, t.key(), desk.Key)
	s.lacks(phone.Key)
	s.holds(laptop)
	s.holds(desk)
}

func destroySubjectNone(t *trial) {
	s := t.open()
	s.destroySubject("nobody")
	r := t.of("ann")
	s.create(r, nil)
	s.destroySubject("ann", r.Key)
	s.holds(r)
}

// Logged out everywhere and signed in again, within one step of any clock.
func destroySubjectNextSignIn(t *trial) {
	s := t.open()
	old, next := t.of("ann"), t.of("ann")
	s.create(old, nil)
	s.destroySubject("ann")
	s.create(next, nil)
	s.holds(next)
	s.lacks(old.Key)
}

// Somebody logs out everywhere else, again and again, and goes on meanwhile.
func destroySubjectRacesFlush(t *trial) {
	const rounds, times = 5, 10
	handles := []*handle{t.open(), t.open()}
	for range rounds {
		r := t.of("ann")
		handles[0].create(r, nil)
		key := r.Key
		t.allSucceed(3, func(i int) error {
			for range times {
				if i > 0 {
					err := handles[i%2].Store.(driver.SubjectDestroyer).DestroySubject(t.ctx, "ann", key)
					if err != nil {
						return unless(err, nil, "DestroySubject(\"ann\", except %q)", key)
					}
				} else if err := handles[0].flushVersion(r); err != nil {
					return fmt.Errorf("beside DestroySubject(\"ann\", except %q): %w", key, err)
				}
			}
			return nil
		})
		handles[1].holds(r)
	}
}

// The devices of a subject change their IDs for as long as they can.
func destroySubjectRaces(t *trial) {
	const rounds, devices = 10, 3
	handles := []*handle{t.open(), t.open()}
	for round := range rounds {
		subject := fmt.Sprint("user:", round)
		records := t.records(devices)
		for _, r := range records {
			r.Subject = subject
			handles[0].create(r, nil)
		}
		var over atomic.Bool
		t.allSucceed(1+devices, func(i int) error {
			if i == devices {
				defer over.Store(true)
				err := handles[0].Store.(driver.SubjectDestroyer).DestroySubject(t.ctx, subject)
				return unless(err, nil, "DestroySubject(%q) beside ChangeID", subject)
			}
			return handles[i%2].renameOften(records[i], &over)
		})
		for _, r := range records {
			handles[0].lacks(r.Key)
		}
	}
}

// renameOften changes the ID of r until it is gone, and stops some time after
// over. At last r has the key under which it was seen last.
func (h *handle) renameOften(r *driver.Record, over *atomic.Bool) error {
	const most = 50
	key := r.Key
	for n := 0; n < most && !over.Load(); n++ {
		next := renamed(r, fmt.Sprintf("%s-%d", key, n))
		err := h.Store.ChangeID(h.t.ctx, r.Key, next)
		if err == nil {
			*r = *next
			err = h.askVersion(r)
		}
		if errors.Is(err, driver.ErrNotFound) {
			return nil
		}
		if err != nil {
			return unless(err, nil, "ChangeID(%q) beside DestroySubject", r.Key)
		}
	}
	return nil
}
