package drivertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// handle is one opened store. Its methods make a call, and fail the check unless the error
// matches want, where nil stands for success. Only the goroutine of the check calls them.
// Other goroutines call the methods that return an error, or the embedded store.
type handle struct {
	driver.Store
	t *trial
}

// call makes a call that has nothing to wait for. If it hangs, call returns an error that says so.
func (h *handle) call(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(h.t.ctx, hung)
	defer cancel()
	err := h.t.within(hung+h.t.tgt.slack(), func() error { return f(ctx) })
	if err != nil && ctx.Err() != nil && h.t.ctx.Err() == nil {
		h.t.tgt.hangs()
		err = fmt.Errorf("%w, after %v", err, hung)
	}
	return err
}

func (h *handle) create(r *driver.Record, want error) {
	h.t.Helper()
	err := h.call(func(ctx context.Context) error { return h.Store.Create(ctx, r) })
	h.t.expect(err, want, "Create(%q)", r.Key)
	if want == nil {
		h.t.expect(h.askVersion(r), nil, "Retrieve(%q)", r.Key)
	}
}

func (h *handle) retrieve(key string) *driver.Record {
	h.t.Helper()
	var r *driver.Record
	err := h.call(func(ctx context.Context) (err error) {
		r, err = h.Store.Retrieve(ctx, key)
		return err
	})
	h.t.expect(err, nil, "Retrieve(%q)", key)
	if r == nil {
		h.t.Fatalf("Retrieve(%q) = nil, nil; want a record", key)
	}
	return r
}

func (h *handle) flush(r *driver.Record, want error) {
	h.t.Helper()
	err := h.call(func(ctx context.Context) error { return h.Store.Flush(ctx, r) })
	h.t.expect(err, want, "Flush(%q)", r.Key)
	if want == nil {
		h.t.expect(h.askVersion(r), nil, "Retrieve(%q)", r.Key)
	}
}

func (h *handle) changeID(oldKey string, r *driver.Record, want error) {
	h.t.Helper()
	err := h.call(func(ctx context.Context) error { return h.Store.ChangeID(ctx, oldKey, r) })
	h.t.expect(err, want, "ChangeID(%q, %q)", oldKey, r.Key)
	if want == nil {
		h.t.expect(h.askVersion(r), nil, "Retrieve(%q)", r.Key)
	}
}

func (h *handle) touch(key string, expires time.Time, want error) {
	h.t.Helper()
	err := h.call(func(ctx context.Context) error { return h.toucher().Touch(ctx, key, expires) })
	h.t.expect(err, want, "Touch(%q)", key)
}

func (h *handle) destroy(key string, want error) {
	h.t.Helper()
	err := h.call(func(ctx context.Context) error { return h.Store.Destroy(ctx, key) })
	h.t.expect(err, want, "Destroy(%q)", key)
}

func (h *handle) destroySubject(subject string, except ...string) {
	h.t.Helper()
	err := h.Store.(driver.SubjectDestroyer).DestroySubject(h.t.ctx, subject, except...)
	h.t.expect(err, nil, "DestroySubject(%q, except %q)", subject, except)
}

func (h *handle) canDestroySubjects() bool { return h.t.tgt.Implements&SubjectDestroyer != 0 }

func (h *handle) deleteExpired() int {
	h.t.Helper()
	var n int
	err := h.call(func(ctx context.Context) (err error) {
		n, err = h.Store.DeleteExpired(ctx)
		return err
	})
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

// holds checks that want is stored. It compares Data, which tells which write has won, and the
// named fields.
func (h *handle) holds(want *driver.Record, fields ...string) {
	h.t.Helper()
	got := h.retrieve(want.Key)
	if d := difference(got, want, append(fields, "Data")...); d != "" {
		h.t.Fatalf("Retrieve(%q)%s", want.Key, d)
	}
}

// unchanged checks that the stored record is the same as before, which Retrieve returned.
func (h *handle) unchanged(before *driver.Record) {
	h.t.Helper()
	h.holds(before, allFields...)
}

// lacks checks that no record is found under the keys. The checks of Retrieve look at the
// error.
func (h *handle) lacks(keys ...string) {
	h.t.Helper()
	for _, key := range keys {
		if _, err := h.Store.Retrieve(h.t.ctx, key); err == nil {
			h.t.Fatalf("Retrieve(%q) = a record, nil; want no record", key)
		}
	}
}

// createBrief stores a record that expires soon.
func (h *handle) createBrief() *driver.Record {
	h.t.Helper()
	return h.createManyBrief(1)[0]
}

// createManyBrief stores n records that expire soon, all at the same time. On a slow machine
// this takes several attempts, and the records of all attempts expire: t.keys counts them.
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

// createMany stores n records, several at a time because n may be large.
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

// createExpiring stores a record that expires soon, and finds out its version.
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

// askVersion retrieves the version of r, which was just written, because a store need not
// report it. Only the checks SetsVersion use the version that a write has set.
func (h *handle) askVersion(r *driver.Record) error {
	stored, err := h.Store.Retrieve(h.t.ctx, r.Key)
	switch {
	case err != nil:
		return err
	case stored == nil:
		return errors.New("no record, and no error")
	}
	r.Version = stored.Version
	return nil
}
