package drivertest

import (
	"time"

	"gosession.dev/session/driver"
)

const (
	returnsStored    = "Retrieve returns the live record under key, all of it as it was stored."
	retrieveNotFound = "If there is none, or if it has expired, Retrieve must return ErrNotFound."
	comesBackEqual   = "It must come back equal."
)

var retrieveChecks = []check{
	{name: "Retrieve/ReturnsAll", in: "Store.Retrieve",
		rule: returnsStored, fn: retrieveReturnsAll},
	{name: "Retrieve/Created", in: "Record.Created", rule: comesBackEqual, fn: retrieveCreated},
	{name: "Retrieve/Expires", in: "Record.Expires", rule: comesBackEqual, fn: retrieveExpires},
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
	} {
		r := t.record()
		r.Created = created
		s.create(r, nil)
		s.holds(r, "Created")
	}
}

// A TTL of more than 30 days is a date to some backends, and one of more than
// 68 years more than 32 bits of seconds.
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

// retrieveExpired is the same for a record that has expired.
func retrieveExpired(t *trial) {
	s := t.open()
	r := s.createBrief()
	t.waitUntil(r.Expires)
	_, err := s.Store.Retrieve(t.ctx, r.Key)
	t.expect(err, driver.ErrNotFound, "Retrieve(%q), which has expired", r.Key)
}
