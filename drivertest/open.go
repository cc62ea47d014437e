package drivertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

const (
	refusesDSN = "Open parses and validates dsn, and must fail if it does not understand dsn: " +
		"an unknown parameter and a NUL are errors."
	usesAccepted   = "If Open accepts dsn, the first use must not reject its format."
	hidesDSN       = "The error of Open never contains dsn, nor any part of it that the driver does not know."
	opensWithoutIO = "Open does no I/O: the first call that needs the backend connects and prepares it " +
		"(schema, indexes) under that call's context, and if that fails, the next call tries again."
	createsNothing = "If something is missing that the call may not create, the call must fail and must create nothing: " +
		"its error says what is missing and is none of this package's errors, " +
		"and the next call that may create finds the backend as it was."
	storesShare = "Two stores of one DSN must share their records."
)

var openChecks = []check{
	{name: "Open/BadDSN", given: "Driver", in: "Driver.Open", rule: refusesDSN, fn: openBadDSN},
	{name: "Open/ErrorHidesDSN", given: "Driver", in: "Driver.Open", rule: hidesDSN, fn: openErrorHidesDSN},
	{name: "Open/UsesAccepted", given: "Driver", in: "Driver.Open", rule: usesAccepted, fn: openUsesAccepted},
	{name: "Open/NoIO", in: "Driver.Open", rule: opensWithoutIO, given: "DeadDSN", fn: openNoIO},
	{name: "Open/FirstUseRetried", in: "Driver.Open", rule: opensWithoutIO, fn: openFirstUseRetried},
	{name: "Open/BackendComesUp", given: "DownDSN", in: "Driver.Open", rule: opensWithoutIO, fn: openBackendComesUp},
	{name: "Open/WithoutCreating", in: "MayCreate", rule: createsNothing, fn: openWithoutCreating},
	{name: "Open/FirstUseAtOnce", in: "package driver", rule: safeForGoroutines, fn: openFirstUseAtOnce},
	{name: "Open/Shares", server: true, in: "Driver.Open", rule: storesShare, fn: openShares},
	{name: "Open/Reopen", in: "Driver.Open", rule: storesShare, fn: openReopen},
}

// Only I/O can notice that a server never answers.
func openNoIO(t *trial) {
	dsn := t.tgt.DeadDSN(t.TB)
	err := t.timed("Open(DeadDSN), then Close()", func(context.Context) error {
		s, err := t.tgt.open(dsn)
		if err == nil {
			err = s.Close()
		}
		return err
	})
	t.expect(err, nil, "Open(DeadDSN), then Close()")
}

func openFirstUseRetried(t *trial) {
	s := t.open()
	done, cancel := context.WithCancel(t.ctx)
	cancel()
	r := t.record()
	if err := s.Store.Create(done, copyOf(r)); err == nil {
		t.Fatalf("Create(%q) with a cancelled context = nil; want an error", r.Key)
	}
	s.create(r, nil)
	s.holds(r)
}

// A backend in which nothing has to be created serves the call like any other.
func openWithoutCreating(t *trial) {
	s := t.open()
	r := t.record()
	ctx := driver.WithoutCreating(t.ctx)
	if _, err := s.Store.Retrieve(ctx, r.Key); err == nil || isAnswer(err) && !errors.Is(err, driver.ErrNotFound) {
		t.Fatalf("Retrieve(%q) that may not create = %s; want %s, or an error that says what is missing", r.Key, text(err), text(driver.ErrNotFound))
	}
	if err := s.Store.Create(ctx, copyOf(r)); isAnswer(err) {
		t.Fatalf("Create(%q) that may not create = %s; want nil, or an error that says what is missing", r.Key, text(err))
	}
	after := t.record()
	s.create(after, nil)
	s.holds(after)
	t.open().holds(after)
}

// The backend is not there at the first use, which several goroutines make at once. The same
// handle works as soon as the backend is up.
func openBackendComesUp(t *trial) {
	dsn, up := t.tgt.DownDSN(t.TB)
	s := t.openDSN(dsn)
	r := t.record()
	t.allSucceed(4, func(i int) error {
		ctx, cancel := context.WithTimeout(t.ctx, t.tgt.slack())
		defer cancel()
		err := t.within(hung, func() error { return s.Store.Create(ctx, newRecord(r.Key)) })
		switch {
		case err == nil || isAnswer(err):
			return fmt.Errorf("Create(%q) without a backend = %s; want %s", r.Key, text(err), anOutage)
		case t.revealsDSN(err, dsn):
			return fmt.Errorf("the error of Create(%q) without a backend contains a part of the DSN", r.Key)
		}
		return nil
	})
	up()
	t.expect(t.within(patience, func() error { return s.createPatiently(r) }), nil, "Create(%q) after the backend came up", r.Key)
	s.holds(r)
}

// createPatiently creates r. It tries again for a while, because a client library may need
// time to notice that a server is up again.
func (h *handle) createPatiently(r *driver.Record) error {
	for start := time.Now(); ; time.Sleep(briefly) {
		err := h.Store.Create(h.t.ctx, r)
		if err == nil || isAnswer(err) || time.Since(start) > hung {
			return err
		}
	}
}

func openFirstUseAtOnce(t *trial) {
	const perHandle = 4
	handles := []*handle{t.open(), t.open(), t.open()}
	records := make([]*driver.Record, perHandle*len(handles))
	for i := range records {
		records[i] = t.record()
	}
	t.allSucceed(len(records), func(i int) error {
		err := handles[i%len(handles)].Store.Create(t.ctx, records[i])
		return unless(err, nil, "Create(%q), one of several first uses,", records[i].Key)
	})
	for _, r := range records {
		handles[0].holds(r)
	}
}

func openShares(t *trial) {
	a, b := t.open(), t.open()
	r := t.record()
	a.create(r, nil)
	seen := b.retrieve(r.Key)
	b.flush(withData(seen, "by the other store"), nil)
	a.holds(withData(r, "by the other store"))
	a.flush(r, driver.ErrConflict)
	b.destroy(r.Key, nil)
	a.lacks(r.Key)
}

func openReopen(t *trial) {
	a, b := t.open(), t.open()
	r := t.record()
	a.create(r, nil)
	b.holds(r)
	a.close()
	c := t.open()
	c.holds(r)
	b.holds(r)
	b.close()
	c.close()
	t.open().create(t.record(), nil)
}
