package histories

import (
	"context"
	"fmt"
	"time"

	"gosession.dev/session/driver"
)

// stall is the time limit of a write from the loop of a listing.
const stall = 3 * time.Second

// list lists all sessions a few times, until over is closed. After the first element of each
// listing it writes a record.
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
				err = h.writeInLoop(store, fmt.Sprintf("%sloop-%d", h.prefix, n))
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

// writeInLoop creates a record under key and destroys it.
func (h *historian) writeInLoop(store driver.Store, key string) error {
	ctx, cancel := context.WithTimeout(h.ctx, 2*stall)
	defer cancel()
	r := (&op{key: key, expires: now().Add(time.Hour).UnixMilli()}).record()
	for _, f := range []struct {
		call string
		do   func() error
	}{
		{"Create", func() error { return store.Create(ctx, r) }},
		{"Destroy", func() error { return store.Destroy(ctx, key) }},
	} {
		if err := within(stall, f.do); err != nil {
			return unless(err, nil, "%s(%q)", f.call, key)
		}
	}
	return nil
}
