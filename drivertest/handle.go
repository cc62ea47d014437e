package drivertest

import (
	"time"

	"gosession.dev/session/driver"
)

// handle is one opened store. Its methods make one call each and fail the check
// unless the error matches want, where nil is success. They are for the
// goroutine of the check; other goroutines use the embedded store.
type handle struct {
	driver.Store
	t *trial
}

func (h *handle) create(r *driver.Record, want error) {
	h.t.Helper()
	err := h.Store.Create(h.t.ctx, r)
	h.t.expect(err, want, "Create(%q)", r.Key)
	if want == nil {
		h.t.expect(h.askVersion(r), nil, "Retrieve(%q)", r.Key)
	}
}

func (h *handle) retrieve(key string) *driver.Record {
	h.t.Helper()
	r, err := h.Store.Retrieve(h.t.ctx, key)
	h.t.expect(err, nil, "Retrieve(%q)", key)
	if r == nil {
		h.t.Fatalf("Retrieve(%q) = nil, nil; want a record", key)
	}
	return r
}

func (h *handle) flush(r *driver.Record, want error) {
	h.t.Helper()
	err := h.Store.Flush(h.t.ctx, r)
	h.t.expect(err, want, "Flush(%q)", r.Key)
	if want == nil {
		h.t.expect(h.askVersion(r), nil, "Retrieve(%q)", r.Key)
	}
}

func (h *handle) changeID(oldKey string, r *driver.Record, want error) {
	h.t.Helper()
	err := h.Store.ChangeID(h.t.ctx, oldKey, r)
	h.t.expect(err, want, "ChangeID(%q, %q)", oldKey, r.Key)
	if want == nil {
		h.t.expect(h.askVersion(r), nil, "Retrieve(%q)", r.Key)
	}
}

func (h *handle) touch(key string, expires time.Time, want error) {
	h.t.Helper()
	err := h.toucher().Touch(h.t.ctx, key, expires)
	h.t.expect(err, want, "Touch(%q)", key)
}

func (h *handle) destroy(key string, want error) {
	h.t.Helper()
	h.t.expect(h.Store.Destroy(h.t.ctx, key), want, "Destroy(%q)", key)
}

func (h *handle) destroySubject(subject string, except ...string) {
	h.t.Helper()
	err := h.Store.(driver.SubjectDestroyer).DestroySubject(h.t.ctx, subject, except...)
	h.t.expect(err, nil, "DestroySubject(%q, except %q)", subject, except)
}

func (h *handle) deleteExpired() int {
	h.t.Helper()
	n, err := h.Store.DeleteExpired(h.t.ctx)
	h.t.expect(err, nil, "DeleteExpired()")
	return n
}

func (h *handle) toucher() driver.Toucher { return h.Store.(driver.Toucher) }
func (h *handle) pinger() driver.Pinger   { return h.Store.(driver.Pinger) }

// marked checks that there is a mark under key, which leads to the key to.
func (h *handle) marked(key, to string) driver.Rename {
	h.t.Helper()
	rename, err := h.mark(key)
	h.t.expect(err, nil, "Renamed(%q)", key)
	if rename.To != to {
		h.t.Fatalf("Renamed(%q).To = %q; want %q", key, rename.To, to)
	}
	return rename
}

// unmarked checks that there is no mark under the keys.
func (h *handle) unmarked(keys ...string) {
	h.t.Helper()
	for _, key := range keys {
		_, err := h.mark(key)
		h.t.expect(err, driver.ErrNotFound, "Renamed(%q)", key)
	}
}

func (h *handle) mark(key string) (driver.Rename, error) {
	return h.Store.(driver.RenameTracker).Renamed(h.t.ctx, key)
}

// holds checks that want is stored, by the data alone, because those tell which
// write has won. Fields that have to be looked at too are named.
func (h *handle) holds(want *driver.Record, fields ...string) {
	h.t.Helper()
	got := h.retrieve(want.Key)
	if d := difference(got, want, append(fields, "Data")...); d != "" {
		h.t.Fatalf("Retrieve(%q)%s", want.Key, d)
	}
}

// unchanged checks that what is stored is still before, which Retrieve returned.
func (h *handle) unchanged(before *driver.Record) {
	h.t.Helper()
	h.holds(before, allFields...)
}

// lacks checks that nothing is found under the keys. With what error is left to
// the checks of Retrieve.
func (h *handle) lacks(keys ...string) {
	h.t.Helper()
	for _, key := range keys {
		if _, err := h.Store.Retrieve(h.t.ctx, key); err == nil {
			h.t.Fatalf("Retrieve(%q) = a record, nil; want none", key)
		}
	}
}

// createBrief stores a record that expires soon.
func (h *handle) createBrief() *driver.Record {
	h.t.Helper()
	return h.createManyBrief(1)[0]
}

// createManyBrief stores n records that expire soon, all at once. On a slow
// machine it takes more than one try, and what the others stored expires too:
// t.keys counts all.
func (h *handle) createManyBrief(n int) []*driver.Record {
	h.t.Helper()
	var records []*driver.Record
	h.t.inTime(func(expires time.Time) error {
		records = h.t.records(n)
		for _, r := range records {
			r.Expires = expires
			if err := h.Store.Create(h.t.ctx, r); err != nil {
				return unless(err, nil, "Create(%q)", r.Key)
			}
		}
		return nil
	})
	return records
}

// createMany stores n records, several at a time because a listing of more than
// a page takes many.
func (h *handle) createMany(n int) []*driver.Record {
	h.t.Helper()
	const writers = 8
	records := h.t.records(n)
	h.t.allSucceed(writers, func(w int) error {
		for i := w; i < n; i += writers {
			if err := h.Store.Create(h.t.ctx, records[i]); err != nil {
				return unless(err, nil, "Create(%q)", records[i].Key)
			}
		}
		return nil
	})
	return records
}

func (h *handle) close() {
	h.t.Helper()
	h.t.expect(h.t.within(hung, h.Store.Close), nil, "Close()")
}

// createExpiring stores a record that expires soon, and knows its version.
func (h *handle) createExpiring() (r *driver.Record) {
	h.t.Helper()
	h.t.inTime(func(expires time.Time) error {
		r = h.t.record()
		r.Expires = expires
		return h.createVersion(r)
	})
	return r
}

// createVersion creates r and finds out its version.
func (h *handle) createVersion(r *driver.Record) error {
	err := h.Store.Create(h.t.ctx, r)
	if err == nil {
		err = h.askVersion(r)
	}
	return unless(err, nil, "Create(%q)", r.Key)
}

// flushVersion flushes r and finds out its version.
func (h *handle) flushVersion(r *driver.Record) error {
	err := h.Store.Flush(h.t.ctx, r)
	if err == nil {
		err = h.askVersion(r)
	}
	return unless(err, nil, "Flush(%q)", r.Key)
}

// askVersion retrieves the version of r, which was written. A store need not
// tell it after a write, and if it does, only the checks SetsVersion rely on it.
func (h *handle) askVersion(r *driver.Record) error {
	stored, err := h.Store.Retrieve(h.t.ctx, r.Key)
	if err == nil {
		r.Version = stored.Version
	}
	return err
}
