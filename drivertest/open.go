package drivertest

import (
	"context"
	"fmt"
	"strings"

	"gosession.dev/session/driver"
)

const (
	refusesDSN = "It parses and validates dsn and must fail for one that it does not understand, " +
		"unknown parameters included."
	opensWithoutIO = "It does no I/O: the first call that needs the backend connects and prepares it " +
		"(schema, indexes) under that call's context, and a failed first use is tried again by the next."
	storesShare = "Two stores of one DSN must share their records."
)

var openChecks = []check{
	{name: "Open/BadDSN", in: "Driver.Open", rule: refusesDSN, fn: openBadDSN},
	{name: "Open/ErrorHidesDSN", in: "Driver.Open", rule: "The error never contains dsn.", fn: openErrorHidesDSN},
	{name: "Open/NoIO", in: "Driver.Open", rule: opensWithoutIO, dead: true, fn: openNoIO},
	{name: "Open/FirstUseRetried", in: "Driver.Open", rule: opensWithoutIO, fn: openFirstUseRetried},
	{name: "Open/FirstUseAtOnce", in: "package driver", rule: safeForGoroutines, fn: openFirstUseAtOnce},
	{name: "Open/Shares", server: true, in: "Driver.Open", rule: storesShare, fn: openShares},
	{name: "Open/Reopen", in: "Driver.Open", rule: storesShare, fn: openReopen},
}

func openBadDSN(t *trial) {
	for i, dsn := range t.badDSNs() {
		if s, err := t.tgt.Driver.Open(dsn); err == nil {
			s.Close()
			t.Errorf("Open(%s) = a store, nil; want an error", t.badDSNName(i))
		}
	}
}

// A canary stands for the password that a mistyped parameter may hold.
const canary = "drivertest-canary"

// badDSNs returns those of the target, and one more with an unknown parameter.
func (t *trial) badDSNs() []string {
	dsn := t.tgt.DSN(t.TB)
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	return append(t.tgt.BadDSN[:len(t.tgt.BadDSN):len(t.tgt.BadDSN)], dsn+separator+"drivertest_unknown="+canary)
}

func (t *trial) badDSNName(i int) string {
	if i < len(t.tgt.BadDSN) {
		return fmt.Sprintf("Target.BadDSN[%d]", i)
	}
	return "dsn + parameter drivertest_unknown"
}

func openErrorHidesDSN(t *trial) {
	for i, dsn := range t.badDSNs() {
		_, err := t.tgt.Driver.Open(dsn)
		if err != nil && t.reveals(err, dsn, canary) {
			t.Errorf("the error of Open(%s) contains the DSN or a parameter's value; want neither", t.badDSNName(i))
		}
	}
}

// A server that never answers can't be noticed without I/O.
func openNoIO(t *trial) {
	dsn := t.tgt.DeadDSN(t.TB)
	err := t.within(slack, func() error {
		s, err := t.tgt.Driver.Open(dsn)
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

func openFirstUseAtOnce(t *trial) {
	const perHandle = 4
	handles := []*handle{t.open(), t.open(), t.open()}
	records := make([]*driver.Record, perHandle*len(handles))
	for i := range records {
		records[i] = t.record()
	}
	t.allSucceed(len(records), func(i int) error {
		err := handles[i%len(handles)].Store.Create(t.ctx, records[i])
		return unless(err, nil, "Create(%q), a first use among others", records[i].Key)
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
	t.open().holds(r)
	b.holds(r)
}
