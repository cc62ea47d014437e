package drivertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"gosession.dev/session/driver"
)

const (
	closedFails    = "Close: after Close every other method must fail with ErrClosed."
	closeOvertakes = "A call that is in progress when Close is called either finishes or fails, with ErrClosed or the backend's error; " +
		"it never panics."
	closeAgain = "Close is idempotent: further calls return nil."
	closesOwn  = "The store's Close closes what Open has opened; a store that is made from an application's own client " +
		"leaves the client open."
)

var closeChecks = []check{
	{name: "Close/ThenFails", in: "package driver", rule: closedFails, fn: closeThenFails},
	{name: "Close/BeforeUse", in: "package driver", rule: closedFails, fn: closeBeforeUse},
	{name: "Close/Twice", in: "Store.Close", rule: closeAgain, fn: closeTwice},
	{name: "Close/LeavesOthers", in: "Driver.Open", rule: closesOwn, fn: closeLeavesOthers},
	{name: "Close/DuringUse", in: "package driver", rule: closeOvertakes, fn: closeDuringUse},
}

func closeThenFails(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	ms := t.works(s.Store)
	s.close()
	for _, m := range ms {
		if err := m.call(t.ctx, s.Store, r); !errors.Is(err, driver.ErrClosed) {
			t.Errorf("%s after Close = %s; want %s", m.name, text(err), text(driver.ErrClosed))
		}
	}
}

// A store that is closed before its first use has nothing to close yet.
func closeBeforeUse(t *trial) {
	s := t.open()
	s.close()
	r := t.record()
	err := s.Store.Create(t.ctx, r)
	t.expect(err, driver.ErrClosed, "Create(%q) after Close, as the first use,", r.Key)
	_, err = s.Store.Retrieve(t.ctx, r.Key)
	t.expect(err, driver.ErrClosed, "Retrieve(%q) after Close, as the first use,", r.Key)
}

func closeTwice(t *trial) {
	s := t.open()
	s.create(t.record(), nil)
	s.close()
	t.expect(t.within(hung, s.Store.Close), nil, "a second Close()")
}

func closeLeavesOthers(t *trial) {
	a, b := t.open(), t.open()
	r := t.record()
	a.create(r, nil)
	b.holds(r)
	a.close()
	b.holds(r)
	flushed := withData(r, "flushed")
	b.flush(flushed, nil)
	b.holds(flushed)
}

// Each goroutine makes calls until one fails, or until calls have succeeded that began after
// Close.
func closeDuringUse(t *trial) {
	const goroutines, warmUp = 6, 10
	keeper, s := t.open(), t.open()
	records := keeper.createMany(goroutines)
	var warm sync.WaitGroup
	var closed atomic.Bool
	warm.Add(goroutines)
	t.allSucceed(goroutines+1, func(i int) error {
		if i == goroutines {
			warm.Wait()
			err := t.within(hung, s.Store.Close)
			closed.Store(true)
			return unless(err, nil, "Close() during use")
		}
		warmed := sync.OnceFunc(warm.Done)
		defer warmed()
		for n := 0; ; n++ {
			if n == warmUp {
				warmed()
			}
			pauseIn(n)
			last := closed.Load()
			err := s.use(t.ctx, records[i])
			if isAnswer(err) {
				return fmt.Errorf("a call concurrent with Close = %s; want nil, ErrClosed or the backend's error", text(err))
			}
			if err != nil || last {
				return nil
			}
		}
	})
	for _, r := range records {
		keeper.retrieve(r.Key)
	}
}

// use makes calls that succeed unless the store is closed.
func (h *handle) use(ctx context.Context, r *driver.Record) error {
	stored, err := h.Store.Retrieve(ctx, r.Key)
	if err != nil {
		return err
	}
	if err := h.Store.Flush(ctx, stored); err != nil {
		return err
	}
	for _, err := range h.Store.Sessions(ctx) {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return nil
}
