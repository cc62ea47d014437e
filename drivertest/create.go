package drivertest

import (
	"time"

	"gosession.dev/session/driver"
)

const (
	createNeverOverwrites = "If r.Key holds a live record, Create must return ErrExists and leave that record as it is."
	createTooLarge        = "If the backend can't hold a record of this size, Create must return ErrTooLarge and store nothing."
)

var createChecks = []check{
	{name: "Create/NeverOverwrites", server: true, in: "Store.Create", rule: createNeverOverwrites, fn: createExists},
	{name: "Create/OverExpired", in: "Store.Create",
		rule: "An expired record under the key counts as absent.", waits: true, fn: createOverExpired},
	{name: "Create/SetsVersion", in: "Store.Create",
		rule: "On success Create sets r.Version.", fn: createSetsVersion},
	{name: "Create/OneWins", server: true, in: "Store.Create", rule: createNeverOverwrites, fn: createOneWins},
	{name: "Create/Large", in: "Store.Create", rule: createTooLarge, fn: createLarge},
}

func createExists(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	before := s.retrieve(r.Key)
	s.create(withData(r, "of another"), driver.ErrExists)
	s.unchanged(before)
}

func createOverExpired(t *trial) {
	s := t.open()
	old := s.createBrief()
	t.waitUntil(old.Expires)
	r := nextUser(old.Key)
	s.create(r, nil)
	s.replaces(r, old)
}

// nextUser returns a record that has nothing in common with the record that has expired under key.
func nextUser(key string) *driver.Record {
	r := changed(newRecord(key))
	r.Created = r.Created.Add(7 * time.Second)
	return r
}

// replaces checks that nothing of old is left now that r is stored under its key.
func (h *handle) replaces(r, old *driver.Record) {
	h.t.Helper()
	h.holds(r, "Data", "Meta", "Created", "Expires", "Subject")
	if h.t.tgt.Implements&SubjectLister != 0 {
		h.t.yields(h.subjectSessions(old.Subject))
		h.t.yields(h.subjectSessions(r.Subject), r)
	}
}

func createSetsVersion(t *trial) {
	s := t.open()
	r := t.record()
	r.Version = 7
	t.expect(s.Store.Create(t.ctx, r), nil, "Create(%q)", r.Key)
	s.accepts(r, "Create")
}

// accepts checks that Flush accepts the version that a write has set in r, unless the
// version is 0, which means unknown.
func (h *handle) accepts(r *driver.Record, write string) {
	h.t.Helper()
	if r.Version != 0 {
		err := h.Store.Flush(h.t.ctx, withData(r, "flushed"))
		h.t.expect(err, nil, "Flush(%q) with the version that %s has set", r.Key, write)
	}
}

func createOneWins(t *trial) {
	const rounds, rivals = 20, 4
	handles := []*handle{t.open(), t.open()}
	for range rounds {
		r := t.record()
		errs := together(rivals, func(i int) error {
			return handles[i%2].Store.Create(t.ctx, withData(r, rival(i)))
		})
		winner := t.oneWins("Create", errs, driver.ErrExists)
		handles[0].holds(withData(r, rival(winner)))
	}
}

func createLarge(t *trial) {
	s := t.open()
	r := t.record()
	r.Data = mebibyte()
	if t.fits(s.Store.Create(t.ctx, r), "Create(%q) of 1 MiB", r.Key) {
		s.holds(r)
	} else {
		s.lacks(r.Key)
	}
}
