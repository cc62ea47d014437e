package drivertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gosession.dev/session/driver"
)

const (
	patience = time.Minute            // how long a check may take before it counts as hung
	hung     = 10 * time.Second       // how long a call may take that has nothing to wait for
	slack    = time.Second            // what a call may take beyond the time that it is given
	deadline = 200 * time.Millisecond // the time that a call to a dead server is given
	briefly  = 50 * time.Millisecond  // the time to live of records that are to expire
	margin   = 2 * time.Millisecond   // beyond Target.Resolution, for clocks that round
)

// trial is one run of a check: a store of its own, and the words that checks are
// written in. It is used by the goroutine of the check only.
type trial struct {
	testing.TB
	tgt   Target
	needs Interfaces      // what the check can't do without
	ctx   context.Context // of the whole check; done only if that hangs
	dsn   string          // names this check's store; see open
	keys  int             // how many were given out by key
}

func newTrial(t testing.TB, tgt Target, needs Interfaces) *trial {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return &trial{TB: t, tgt: tgt, needs: needs, ctx: ctx}
}

// cookieName is that for which stores are opened that keep records in cookies.
const cookieName = "drivertest"

// open opens the store of this check. A second call opens it once more: another
// handle on the same records.
func (t *trial) open() *handle {
	t.Helper()
	if t.dsn == "" {
		t.dsn = t.tgt.DSN(t.TB)
	}
	return t.openDSN(t.dsn)
}

// openDSN keeps the DSN out of its messages, as Open has to. What Close returns
// at the end is left to the checks of Close.
func (t *trial) openDSN(dsn string) *handle {
	t.Helper()
	s, err := t.tgt.Driver.Open(dsn)
	t.expect(err, nil, "Open(dsn)")
	if lost := t.needs &^ implementedBy(s); lost != 0 {
		t.Errorf("the store lacks %v; Target.Implements declares it", lost)
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

// records returns n of them.
func (t *trial) records(n int) []*driver.Record {
	records := make([]*driver.Record, n)
	for i := range records {
		records[i] = t.record()
	}
	return records
}

// expect fails the check unless got matches want. A nil want is success.
func (t *trial) expect(got, want error, call string, args ...any) {
	t.Helper()
	if err := unless(got, want, call, args...); err != nil {
		t.Fatal(err)
	}
}

// text is how an error is printed after a call.
func text(err error) string {
	if err == nil {
		return "nil"
	}
	return fmt.Sprintf("error %q", err)
}

// within calls f, and gives up on it after limit: a store that hangs fails the
// check, and not the whole test by the time limit of go test.
func (t *trial) within(limit time.Duration, f func() error) error {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- fmt.Errorf("panic: %v", p)
			}
		}()
		result <- f()
	}()
	select {
	case err := <-result:
		return err
	case <-time.After(limit):
		return fmt.Errorf("no return within %v", limit)
	}
}

// inTime calls try with a time that is soon to come, and fails the check if try
// fails before that. A try that took longer tells nothing, because what it did
// has expired meanwhile; another gets twice the time.
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
	t.Fatalf("calls took longer than %v; want them to return before a record expires", patience)
}

// waitUntil returns when no store can take a record that expires then for live.
func (t *trial) waitUntil(expires time.Time) {
	time.Sleep(time.Until(expires) + t.tgt.Resolution + margin)
}
