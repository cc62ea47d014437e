package drivertest

import (
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
)

const (
	returnsStored    = "Retrieve returns the live record under key, with all fields as they were stored."
	retrieveNotFound = "If there is no record, or if it has expired, Retrieve must return ErrNotFound."
	comesBackEqual   = "A store must return it unchanged."
)

var retrieveChecks = []check{
	{name: "Retrieve/ReturnsAll", in: "Store.Retrieve",
		rule: returnsStored, fn: retrieveReturnsAll},
	{name: "Retrieve/Created", in: "Record.Created", rule: comesBackEqual, fn: retrieveCreated},
	{name: "Retrieve/Expires", in: "Record.Expires", rule: comesBackEqual, fn: retrieveExpires},
	{name: "Retrieve/FindsWhatMoves", in: "Store.Retrieve", rule: returnsStored,
		needs: SubjectDestroyer, fn: retrieveMoving},
	{name: "Retrieve/NotFound", in: "Store.Retrieve", rule: retrieveNotFound, fn: retrieveAbsent},
}

func retrieveReturnsAll(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	s.holds(r, "Key", "Data", "Meta", "Subject")
	r = t.record()
	r.Subject = ""
	s.create(r, nil)
	s.holds(r, "Key", "Data", "Meta", "Subject")
}

func retrieveCreated(t *trial) {
	s := t.open()
	for _, created := range []time.Time{
		now(),
		time.Date(2001, 9, 9, 1, 46, 40, int(7*time.Millisecond), time.UTC),
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, int(999*time.Millisecond), time.UTC),
		time.Date(1901, 12, 13, 20, 45, 51, 0, time.UTC),
	} {
		r := t.record()
		r.Created = created
		s.create(r, nil)
		s.holds(r, "Created")
	}
}

// A record moves from one subject to another, and then DestroySubject ends the sessions of
// the first subject. Retrieve finds the record all the time.
func retrieveMoving(t *trial) {
	const times = 30
	handles := []*handle{t.open(), t.open()}
	r := t.of("ann")
	handles[0].create(r, nil)
	key := r.Key
	var over atomic.Bool
	t.allSucceed(3, func(i int) error {
		for i > 0 && !over.Load() {
			if _, err := handles[i%2].Store.Retrieve(t.ctx, key); err != nil {
				return unless(err, nil, "Retrieve(%q) concurrent with DestroySubject of another subject", key)
			}
			time.Sleep(time.Microsecond) // lets the other goroutines go on
		}
		if i > 0 {
			return nil
		}
		defer over.Store(true)
		for n := range times {
			time.Sleep(time.Microsecond)
			before := r.Subject
			if r.Subject = "ann"; n%2 == 0 {
				r.Subject = "bob"
			}
			if err := handles[0].Store.Flush(t.ctx, r); err != nil {
				return unless(err, nil, "Flush(%q) to subject %q", key, r.Subject)
			}
			if err := handles[0].Store.(driver.SubjectDestroyer).DestroySubject(t.ctx, before); err != nil {
				return unless(err, nil, "DestroySubject(%q)", before)
			}
			if r.Version == 0 {
				if err := handles[0].askVersion(r); err != nil {
					return unless(err, nil, "Retrieve(%q) after Flush", key)
				}
			}
		}
		return nil
	})
	handles[1].holds(r)
}

// Some backends take a TTL of more than 30 days for a date. A TTL of more than 68 years
// does not fit into a signed number of seconds of 32 bits.
func retrieveExpires(t *trial) {
	s := t.open()
	const day = 24 * time.Hour
	for _, ttl := range []time.Duration{time.Minute + 7*time.Millisecond, 31 * day, 400 * day, 100 * 365 * day} {
		r := t.record()
		r.Expires = now().Add(ttl)
		s.create(r, nil)
		s.holds(r, "Expires")
	}
}

func retrieveAbsent(t *trial) {
	s := t.open()
	s.create(t.record(), nil)
	for _, key := range []string{t.key(), "no-record-has-this-key"} {
		_, err := s.Store.Retrieve(t.ctx, key)
		t.expect(err, driver.ErrNotFound, "Retrieve(%q)", key)
	}
}

func retrieveExpired(t *trial) {
	s := t.open()
	r := s.createBrief()
	t.waitUntil(r.Expires)
	_, err := s.Store.Retrieve(t.ctx, r.Key)
	t.expect(err, driver.ErrNotFound, "Retrieve(%q) of an expired record", r.Key)
}
