package drivertest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
)

const (
	touchSets = "Touch sets Expires of the live record under key and must leave everything else as it is; " +
		"the version may change."
	touchNotFound = "If there is no live record, Touch must return ErrNotFound and must not insert one."
)

var touchChecks = []check{
	{name: "Touch/SetsExpires", in: "Toucher.Touch", rule: touchSets, needs: Toucher, fn: touchSetsExpires},
	{name: "Touch/LeavesTheRest", in: "Toucher.Touch", rule: touchSets, needs: Toucher, fn: touchLeavesTheRest},
	{name: "Touch/LosesNoWrite", in: "Toucher.Touch", rule: touchSets, needs: Toucher, fn: touchLosesNoWrite},
	{name: "Touch/NeverInserts", in: "Toucher.Touch", rule: touchNotFound, needs: Toucher, fn: touchNeverInserts},
}

func touchSetsExpires(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	r.Expires = r.Expires.Add(time.Hour + 7*time.Millisecond)
	s.touch(r.Key, r.Expires, nil)
	s.holds(r, "Expires")
}

func touchLeavesTheRest(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	before := s.retrieve(r.Key)
	s.touch(r.Key, r.Expires.Add(time.Hour), nil)
	s.holds(before, "Key", "Data", "Meta", "Created", "Subject")
}

// Requests that only read move the expiry while other requests write.
func touchLosesNoWrite(t *trial) {
	const increments = 40
	s, other := t.open(), t.open()
	r := t.record()
	r.Data = []byte("0")
	s.create(r, nil)
	expires := r.Expires.Add(time.Hour)
	var over atomic.Bool
	t.allSucceed(2, func(i int) error {
		if i == 0 {
			defer over.Store(true)
			return s.incrementOften(r.Key, increments)
		}
		for n := 0; !over.Load(); n++ {
			pauseIn(n)
			if err := other.toucher().Touch(t.ctx, r.Key, expires); err != nil {
				return unless(err, nil, "Touch(%q) concurrent with Flush", r.Key)
			}
		}
		return nil
	})
	s.holds(withData(r, fmt.Sprint(increments)))
}

func touchNeverInserts(t *trial) {
	s := t.open()
	key := t.key()
	s.touch(key, now().Add(time.Hour), driver.ErrNotFound)
	s.lacks(key)
}

// incrementOften calls increment n times.
func (h *handle) incrementOften(key string, n int) error {
	for i := range n {
		pauseIn(i)
		if err := h.increment(key); err != nil {
			return err
		}
	}
	return nil
}

// increment adds one to the number in the data of a record. It tries again after a conflict, but
// not for ever: a store may answer each Flush so.
func (h *handle) increment(key string) error {
	const most = 10_000
	for conflicts := 0; ; conflicts++ {
		r, err := h.Store.Retrieve(h.t.ctx, key)
		if err != nil {
			return unless(err, nil, "Retrieve(%q) before an increment", key)
		}
		var n int
		if _, err := fmt.Sscan(string(r.Data), &n); err != nil {
			return fmt.Errorf("Retrieve(%q).Data = %s; want a number", key, bytesText(r.Data))
		}
		r.Data = fmt.Append(nil, n+1)
		err = h.Store.Flush(h.t.ctx, r)
		if !errors.Is(err, driver.ErrConflict) || conflicts == most {
			return unless(err, nil, "Flush(%q) after an increment, and after %d conflicts", key, conflicts)
		}
	}
}
