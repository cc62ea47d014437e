package drivertest

import (
	"fmt"

	"gosession.dev/session/driver"
)

const (
	safeForGoroutines = "Goroutines: all methods are safe for concurrent use."
	neverLoses        = "Flush and ChangeID are conditional: they write only over the version that the caller has read, " +
		"and they never insert."
)

var parallelChecks = []check{
	{name: "Parallel/Use", in: "package driver", rule: safeForGoroutines, fn: parallelUse},
	{name: "Parallel/Increments", server: true, in: "package driver", rule: neverLoses, fn: parallelIncrements},
}

// Goroutines that use different records do not disturb each other.
func parallelUse(t *trial) {
	const goroutines, lives = 8, 10
	handles := []*handle{t.open(), t.open()}
	t.allSucceed(goroutines, func(i int) error {
		h := handles[i%2]
		for n := range lives {
			if err := h.live(fmt.Sprintf("g%d-%d", i, n)); err != nil {
				return err
			}
			if _, err := h.Store.DeleteExpired(t.ctx); err != nil {
				return unless(err, nil, "DeleteExpired() concurrent with other calls")
			}
		}
		return nil
	})
}

// live makes the calls of a record's life, from Create to Destroy.
func (h *handle) live(key string) error {
	r := newRecord(key)
	moved := renamed(r, key+"-moved")
	moved.Data = []byte("moved " + key)
	steps := []struct {
		call string
		f    func() error
	}{
		{"Create", func() error { return h.createVersion(r) }},
		{"Retrieve after Create", func() error { return h.sees(r) }},
		{"Flush", func() error { r.Data = []byte("flushed " + key); return h.flushVersion(r) }},
		{"Retrieve after Flush", func() error { return h.sees(r) }},
		{"ChangeID", func() error { moved.Version = r.Version; return h.Store.ChangeID(h.t.ctx, r.Key, moved) }},
		{"Retrieve after ChangeID", func() error { return h.sees(moved) }},
		{"Destroy", func() error { return h.Store.Destroy(h.t.ctx, moved.Key) }},
	}
	for _, step := range steps {
		if err := step.f(); err != nil {
			return unless(err, nil, "%s of %q concurrent with other calls", step.call, key)
		}
	}
	return nil
}

// sees is like [handle.holds], but returns an error, so that any goroutine may call it.
func (h *handle) sees(want *driver.Record) error {
	got, err := h.Store.Retrieve(h.t.ctx, want.Key)
	if err != nil {
		return err
	}
	if d := difference(got, want, "Key", "Data", "Meta", "Subject"); d != "" {
		return fmt.Errorf("record%s", d)
	}
	return nil
}

// Goroutines increment one number, through two handles. No increment is lost.
func parallelIncrements(t *trial) {
	const goroutines, increments = 8, 20
	handles := []*handle{t.open(), t.open()}
	r := t.record()
	r.Data = []byte("0")
	handles[0].create(r, nil)
	t.allSucceed(goroutines, func(i int) error {
		return handles[i%2].incrementOften(r.Key, increments)
	})
	handles[1].holds(withData(r, fmt.Sprint(goroutines*increments)))
}
