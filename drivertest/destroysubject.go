package drivertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"gosession.dev/session/driver"
)

const (
	destroysAllBut = "DestroySubject removes all records of subject except those under the keys in except."
	leavesNone     = "Every record of the subject that was live when the call began must be gone when the call has returned nil, " +
		"even if it was renamed meanwhile."
)

var destroySubjectChecks = []check{
	{name: "DestroySubject/RemovesAll", in: "SubjectDestroyer.DestroySubject", rule: leavesNone,
		needs: SubjectDestroyer, fn: destroySubjectAll},
	{name: "DestroySubject/LeavesOthers", in: "SubjectDestroyer.DestroySubject", rule: destroysAllBut,
		needs: SubjectDestroyer, fn: destroySubjectLeavesOthers},
	{name: "DestroySubject/Except", in: "SubjectDestroyer.DestroySubject", rule: destroysAllBut,
		needs: SubjectDestroyer, fn: destroySubjectExcept},
	{name: "DestroySubject/ManyExcept", in: "SubjectDestroyer.DestroySubject", rule: destroysAllBut,
		needs: SubjectDestroyer, fn: destroySubjectManyExcept},
	{name: "DestroySubject/ByteByByte", in: "Record.Subject", rule: byteByByte,
		needs: SubjectDestroyer, fn: destroySubjectByteByByte},
	{name: "DestroySubject/None", in: "SubjectDestroyer.DestroySubject", rule: "If the subject has no records, DestroySubject returns nil.",
		needs: SubjectDestroyer, fn: destroySubjectNone},
	{name: "DestroySubject/NextSignIn", in: "Store.Retrieve",
		rule:  returnsStored,
		needs: SubjectDestroyer, fn: destroySubjectNextSignIn},
	{name: "DestroySubject/RacesFlush", in: "SubjectDestroyer.DestroySubject", rule: destroysAllBut,
		needs: SubjectDestroyer, fn: destroySubjectRacesFlush},
	{name: "DestroySubject/RacesChangeID", in: "SubjectDestroyer.DestroySubject", rule: leavesNone,
		needs: SubjectDestroyer, fn: destroySubjectRaces},
}

// A session gets its subject from Create, from ChangeID at sign-in, or later from Flush.
func destroySubjectAll(t *trial) {
	s := t.open()
	records := s.createMany(t.tgt.many())
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

// More records are spared than the driver removes in one step, and the others are the first
// and the last ones in any likely order.
func destroySubjectManyExcept(t *trial) {
	const ended = 5 // at each end
	s := t.open()
	records := s.createMany(t.tgt.many() + 4*ended)
	byKey := slices.SortedFunc(slices.Values(records), func(a, b *driver.Record) int { return strings.Compare(a.Key, b.Key) })
	ends := map[string]bool{}
	for _, order := range [][]*driver.Record{records, byKey} {
		for _, r := range slices.Concat(order[:ended], order[len(order)-ended:]) {
			ends[r.Key] = true
		}
	}
	var spared []string
	for _, r := range records {
		if !ends[r.Key] {
			spared = append(spared, r.Key)
		}
	}
	err := s.Store.(driver.SubjectDestroyer).DestroySubject(t.ctx, records[0].Subject, spared...)
	t.expect(err, nil, "DestroySubject(%q, except %d keys)", records[0].Subject, len(spared))
	for _, r := range records {
		switch _, err := s.Store.Retrieve(t.ctx, r.Key); {
		case ends[r.Key] && err == nil:
			t.Fatalf("Retrieve(%q) after DestroySubject(%q, except %d other keys) = a record, nil; want none", r.Key, r.Subject, len(spared))
		case !ends[r.Key]:
			t.expect(err, nil, "Retrieve(%q), one of %d keys in except", r.Key, len(spared))
		}
	}
}

func destroySubjectByteByByte(t *trial) {
	s := t.open()
	records := s.createLookAlikes()
	for i, r := range records {
		s.destroySubject(r.Subject)
		s.lacks(r.Key)
		for _, other := range records[i+1:] {
			s.holds(other)
		}
	}
}

func destroySubjectNone(t *trial) {
	s := t.open()
	s.destroySubject("nobody")
	r := t.of("ann")
	s.create(r, nil)
	s.destroySubject("ann", r.Key)
	s.holds(r)
}

// A user logs out everywhere and signs in again within one step of any clock.
func destroySubjectNextSignIn(t *trial) {
	s := t.open()
	old, next := t.of("ann"), t.of("ann")
	s.create(old, nil)
	s.destroySubject("ann")
	s.create(next, nil)
	s.holds(next)
	s.lacks(old.Key)
}

// A user ends all other sessions, again and again, while the user's own session writes.
func destroySubjectRacesFlush(t *trial) {
	const rounds, times = 20, 10
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
					return fmt.Errorf("concurrent with DestroySubject(\"ann\", except %q): %w", key, err)
				}
			}
			return nil
		})
		handles[1].holds(r)
	}
}

// The sessions of a subject change their IDs until DestroySubject has ended them.
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
				return unless(err, nil, "DestroySubject(%q) concurrent with ChangeID", subject)
			}
			return handles[i%2].renameOften(records[i], &over)
		})
		for _, r := range records {
			handles[0].lacks(r.Key)
		}
	}
}

// renameOften changes the ID of r many times, until r is gone or over is set. Afterwards r has
// the last key under which it was found.
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
			return unless(err, nil, "ChangeID(%q) concurrent with DestroySubject", r.Key)
		}
	}
	return nil
}
