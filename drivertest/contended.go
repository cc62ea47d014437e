package drivertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// endless is the time after the end of its context after which a call counts as one that never
// returns. A shorter delay may be due to a slow machine.
const endless = 5 * time.Second

// contenders is how many goroutines make a call at once.
const contenders = 8

// A contest is a call that many goroutines make at once. At most one of the calls succeeds.
type contest struct {
	name  string
	call  func(ctx context.Context, s driver.Store, rival *driver.Record) error
	loses []error
}

// Many goroutines want one key at once, half of them with contexts that end meanwhile. Each
// call returns soon, and a call whose context ends does not wait.
func contextContended(t *trial) {
	s, other := t.open(), t.open()
	taken, flushed := t.record(), t.record()
	s.create(taken, nil)
	s.create(flushed, nil)
	contests := []contest{
		{"Create of one key", func(ctx context.Context, s driver.Store, _ *driver.Record) error {
			return s.Create(ctx, newRecord("contested"))
		}, []error{driver.ErrExists}},
		{"Create of a taken key", func(ctx context.Context, s driver.Store, _ *driver.Record) error {
			return s.Create(ctx, newRecord(taken.Key))
		}, []error{driver.ErrExists}},
		{"ChangeID onto one key", func(ctx context.Context, s driver.Store, rival *driver.Record) error {
			return s.ChangeID(ctx, rival.Key, renamed(rival, "contested-too"))
		}, []error{driver.ErrExists}},
		{"ChangeID onto a taken key", func(ctx context.Context, s driver.Store, rival *driver.Record) error {
			return s.ChangeID(ctx, rival.Key, renamed(rival, taken.Key))
		}, []error{driver.ErrExists}},
		{"Flush of one record", func(ctx context.Context, s driver.Store, _ *driver.Record) error {
			return s.Flush(ctx, copyOf(flushed))
		}, []error{driver.ErrConflict}},
	}
	for _, c := range contests {
		rivals := s.createMany(contenders) // a call of an earlier contest that was abandoned may still write its rival
		for _, r := range rivals {
			t.expect(s.askVersion(r), nil, "Retrieve(%q)", r.Key)
		}
		t.allSucceed(len(rivals), func(i int) error {
			return c.judge(t, []*handle{s, other}[i%2], rivals[i], i)
		})
	}
	s.holds(taken)
}

// judge makes the call for the i-th rival, and returns an error if the result is wrong or
// late. The contexts of half of the rivals end soon.
func (c contest) judge(t *trial, s *handle, rival *driver.Record, i int) error {
	ctx, limit := t.ctx, hung
	if i%4 > 1 {
		limit = time.Duration(i) * 5 * time.Millisecond
		brief, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		ctx, limit = brief, limit+endless
	}
	start := time.Now()
	err := t.within(hung+t.tgt.slack(), func() error { return c.call(ctx, s.Store, copyOf(rival)) })
	if took := time.Since(start); took > limit {
		return fmt.Errorf("%s by %d goroutines at once took %v; want at most %v", c.name, contenders, took.Round(time.Millisecond), limit)
	}
	if err == nil || ctx != t.ctx && errors.Is(err, context.DeadlineExceeded) {
		return nil // a socket's clock may be a moment ahead of the context's
	}
	for _, lost := range c.loses {
		if errors.Is(err, lost) {
			return nil
		}
	}
	return unless(err, c.loses[0], "%s by %d goroutines at once", c.name, contenders)
}
