package drivertest

import (
	"context"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// stall is how long a write may take that a listing keeps waiting.
const stall = 3 * time.Second

// list lists all sessions, for as long as the clients are at it. Between two
// elements it writes.
func (h *historian) list(store driver.Store, over <-chan struct{}) {
	const most = 4
	for n := range most {
		select {
		case <-over:
			return
		case <-time.After(h.soon() / most):
		}
		o := &op{client: -1, verb: doList, from: time.Now()}
		for key, err := range store.Sessions(h.ctx) {
			if err != nil {
				h.fail(unless(err, nil, "Sessions()"))
				return
			}
			if len(o.yields) == 0 {
				err = h.writesBeside(store, fmt.Sprintf("%sbeside-%d", h.prefix, n))
			}
			if err != nil {
				h.fail(fmt.Errorf("%w, from a loop over Sessions()\npackage driver says: %s", err, holdsNoLock))
				return
			}
			o.yields = append(o.yields, key)
		}
		o.to = time.Now()
		h.listed = append(h.listed, o)
	}
}

// writesBeside writes a record of its own.
func (h *historian) writesBeside(store driver.Store, key string) error {
	ctx, cancel := context.WithTimeout(h.ctx, 2*stall)
	defer cancel()
	for _, f := range []struct {
		call string
		do   func() error
	}{
		{"Create", func() error { return store.Create(ctx, newRecord(key)) }},
		{"Destroy", func() error { return store.Destroy(ctx, key) }},
	} {
		if err := h.within(stall, f.do); err != nil {
			return unless(err, nil, "%s(%q)", f.call, key)
		}
	}
	return nil
}
