package drivertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gosession.dev/session/driver"
)

const (
	patience = 3 * time.Minute        // after which a check counts as hung, even on a busy machine
	hung     = 10 * time.Second       // after which a call counts as hung that has nothing to wait for
	forMany  = 90 * time.Second       // after which one of some hundred calls counts as hung
	deadline = 200 * time.Millisecond // of the context of a call to a dead server
	briefly  = 50 * time.Millisecond  // how long a record lives that expires during a check
	margin   = 2 * time.Millisecond   // added to Target.Resolution, for clocks that round
)

// trial is one run of a check: it opens the check's own store, and has the steps that
// checks are made of. Only the goroutine of the check uses it.
type trial struct {
	testing.TB
	tgt   Target
	check check
	ctx   context.Context // of the whole check; done only if the check hangs
	dsn   string          // of this check's store; see open
	keys  int             // how many keys were used
	label string          // of its goroutines; see marksGoroutines
}

func newTrial(t testing.TB, tgt Target, c check) *trial {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return &trial{TB: t, tgt: tgt, check: c, ctx: ctx}
}

// cookieName is the name of the cookie in which a ClientSide store keeps records.
const cookieName = "drivertest"

// open opens the store of this check. Each further call returns another handle on the same
// records.
func (t *trial) open() *handle {
	t.Helper()
	if t.dsn == "" {
		t.dsn = t.tgt.DSN(t.TB)
	}
	return t.openDSN(t.dsn)
}

// openDSN opens the store of dsn, and closes it when the check is over. Its messages do not
// show dsn. The checks of Close look at what Close returns.
func (t *trial) openDSN(dsn string) *handle {
	t.Helper()
	s, err := t.tgt.open(dsn)
	t.expect(err, nil, "Open(dsn)")
	if lost := t.check.needs &^ implementedBy(s); lost != 0 {
		t.Errorf("the store does not implement %v; want it, because Target.Implements names it", lost)
		s.Close()
		t.FailNow()
	}
	if c, ok := s.(driver.ClientSide); ok {
		s = c.ForCookie(cookieName)
	}
	h := &handle{Store: s, t: t}
	t.Cleanup(func() { t.within(hung, s.Close) })
	return h
}

// key returns a key that this check has not used before.
func (t *trial) key() string {
	t.keys++
	return fmt.Sprintf("key-%d", t.keys)
}

// record returns a record under a key that this check has not used before.
func (t *trial) record() *driver.Record { return newRecord(t.key()) }

// records returns n such records.
func (t *trial) records(n int) []*driver.Record {
	records := make([]*driver.Record, n)
	for i := range records {
		records[i] = t.record()
	}
	return records
}

// expect fails the check unless got matches want, where nil stands for success.
func (t *trial) expect(got, want error, call string, args ...any) {
	t.Helper()
	if err := unless(got, want, call, args...); err != nil {
		t.Fatal(err)
	}
}

// text returns err as messages print it after a call.
func text(err error) string {
	if err == nil {
		return "nil"
	}
	return fmt.Sprintf("error %q", err)
}

// noResultError is the error of a call that has panicked, or that has not returned in its time.
type noResultError string

func (e noResultError) Error() string { return string(e) }

// within calls f and returns its error, or a noResultError if f panics or does not return within limit.
// So a store that hangs fails its check, and does not stop the whole test.
func (t *trial) within(limit time.Duration, f func() error) error {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- noResultError(fmt.Sprintf("panic: %v", p))
			}
		}()
		result <- f()
	}()
	select {
	case err := <-result:
		return err
	case <-time.After(limit):
		if limit >= hung {
			t.tgt.hangs()
		}
		return noResultError(fmt.Sprintf("no return within %v", limit))
	}
}

// lateError is the error of a call that has returned, but too long after the end of its context.
type lateError struct {
	text   string
	result error // what the call returned
}

func (e lateError) Error() string { return e.text }
func (e lateError) Unwrap() error { return e.result }

// untimely returns the error of a call that has panicked, has not returned, or has returned too late.
// It returns nil if err is the result of a call that has returned in time.
func untimely(err error) error {
	if late, ok := errors.AsType[lateError](err); ok {
		return late
	}
	if none, ok := errors.AsType[noResultError](err); ok {
		return none
	}
	return nil
}

// timed makes a call whose context ends soon. If the call returns too late, the machine may have
// been slow, so timed makes it again, three times in all. The third time, the error is a lateError.
func (t *trial) timed(name string, call func(context.Context) error) error {
	return t.timedBy(func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.ctx, deadline) }, name, call)
}

// timedBy is timed with a context that soon makes. The context ends after deadline.
func (t *trial) timedBy(soon func() (context.Context, context.CancelFunc), name string, call func(context.Context) error) error {
	var took time.Duration
	var err error
	for range 3 {
		start := time.Now()
		ctx, cancel := soon()
		err = t.within(hung, func() error { return call(ctx) })
		took = time.Since(start)
		cancel()
		switch {
		case took <= deadline+t.tgt.slack():
			return err
		case took >= hung:
			return noResultError(fmt.Sprintf("%s whose context ends after %v has not returned within %v", name, deadline, hung))
		}
	}
	return lateError{fmt.Sprintf("%s whose context ends after %v took %v, three times", name, deadline, took.Round(time.Millisecond)), err}
}

// inTime calls try with a time that is soon to come, and fails the check if try fails before
// that time. If try takes longer, its result means nothing, because its records have expired
// meanwhile; inTime then calls it again with twice the time.
func (t *trial) inTime(try func(expires time.Time) error) {
	t.Helper()
	for ttl := t.tgt.Resolution + briefly; ttl < patience; ttl *= 2 {
		expires := now().Add(ttl)
		err := try(expires)
		if !time.Now().Before(expires) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("the calls took longer than %v; want them to return before their record expires", patience)
}

// waitUntil returns when no store may find a record that expires at that time.
func (t *trial) waitUntil(expires time.Time) {
	if !t.check.waits {
		panic("drivertest: check " + t.check.name + " waits; want waits: true in its table")
	}
	time.Sleep(time.Until(expires) + t.tgt.Resolution + margin)
}
