package drivertest

import (
	"fmt"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
)

// A browser sends a sign-in several times: the mark leads to the session that exists.
func renamedOneWins(t *trial) {
	const rounds, rivals = 20, 3
	handles := []*handle{t.open(), t.open()}
	for range rounds {
		r := t.record()
		handles[0].create(r, nil)
		moved := make([]*driver.Record, rivals)
		for i := range moved {
			moved[i] = renamed(r, t.key())
		}
		errs := together(rivals, func(i int) error {
			return handles[i%2].Store.ChangeID(t.ctx, r.Key, copyOf(moved[i]))
		})
		winner := t.oneWins("ChangeID", errs, driver.ErrNotFound, driver.ErrConflict)
		handles[0].marked(r.Key, moved[winner].Key)
	}
}

// As soon as Retrieve does not find the record under the old key, Renamed finds the mark.
func renamedInOneStep(t *trial) {
	const rounds = 20
	a, b := t.open(), t.open()
	for range rounds {
		r := t.record()
		a.create(r, nil)
		moved := renamed(r, t.key())
		var over atomic.Bool
		t.allSucceed(2, func(i int) error {
			if i == 0 {
				defer over.Store(true)
				return unless(a.Store.ChangeID(t.ctx, r.Key, copyOf(moved)), nil, "ChangeID(%q, %q)", r.Key, moved.Key)
			}
			if err := b.awaitEnd(r.Key, &over); err != nil {
				return err
			}
			rename, err := b.mark(r.Key)
			if err == nil && rename.To != moved.Key {
				return fmt.Errorf("Renamed(%q).To = %q, as soon as the record is gone; want %q", r.Key, rename.To, moved.Key)
			}
			return unless(err, nil, "Renamed(%q), as soon as the record is gone,", r.Key)
		})
	}
}

// awaitEnd returns when there is no record under key, which a concurrent ChangeID ends. It
// returns an error if there is one after ChangeID has set over.
func (h *handle) awaitEnd(key string, over *atomic.Bool) error {
	for {
		last := over.Load()
		if _, err := h.Store.Retrieve(h.t.ctx, key); err != nil {
			return nil
		}
		if last {
			return fmt.Errorf("Retrieve(%q) after ChangeID = nil; want error %q", key, driver.ErrNotFound)
		}
		time.Sleep(time.Microsecond) // lets the other goroutines go on
	}
}

// While ChangeID runs, and in some rounds loses against a Flush, the new key is not listed
// before the record under the old key has ended.
func renamedPendingNotListed(t *trial) {
	const rounds = 20
	a, b := t.open(), t.open()
	lists := t.lists(b, "user:42")
	if len(lists) == 0 {
		t.Skip("the store lists nothing")
	}
	for round := range rounds {
		r := t.record()
		a.create(r, nil)
		moved := renamed(r, t.key())
		var over atomic.Bool
		t.allSucceed(3, func(i int) error {
			switch {
			case i == 0:
				defer over.Store(true)
				if err := a.Store.ChangeID(t.ctx, r.Key, copyOf(moved)); !gone(err) {
					return unless(err, nil, "ChangeID(%q, %q)", r.Key, moved.Key)
				}
			case i == 1 && round%2 == 1:
				if err := b.Store.Flush(t.ctx, withData(r, "in flight")); !gone(err) {
					return unless(err, nil, "Flush(%q) concurrent with ChangeID", r.Key)
				}
			case i == 2:
				return b.listsMoved(lists, r.Key, moved.Key, &over)
			}
			return nil
		})
	}
}

// listsMoved lists until over is set, and looks at the old key whenever the new key is
// listed.
func (h *handle) listsMoved(lists []func() listing, old, moved string, over *atomic.Bool) error {
	for n := 0; ; n++ {
		last := over.Load()
		l := lists[n%len(lists)]()
		for key, err := range l.seq {
			if err != nil {
				return unless(err, nil, "%s concurrent with ChangeID", l.call)
			}
			if key != moved {
				continue
			}
			if _, err := h.Store.Retrieve(h.t.ctx, old); err == nil {
				return fmt.Errorf("%s yields %q during ChangeID(%q, %q), then Retrieve(%q) = nil; want error %q",
					l.call, moved, old, moved, old, driver.ErrNotFound)
			}
		}
		if last && n >= len(lists) {
			return nil
		}
		time.Sleep(time.Microsecond) // lets the other goroutines go on
	}
}

// All sessions of a subject end while the ID of one changes: at any moment, or, in every other
// round, as soon as the old record has ended.
func renamedPendingDestroyed(t *trial) {
	const rounds = 20
	a, b := t.open(), t.open()
	for round := range rounds {
		r := t.of(fmt.Sprint("user:", round))
		a.create(r, nil)
		moved := renamed(r, t.key())
		var over atomic.Bool
		t.allSucceed(2, func(i int) error {
			if i == 0 {
				defer over.Store(true)
				if err := a.Store.ChangeID(t.ctx, r.Key, copyOf(moved)); !gone(err) {
					return unless(err, nil, "ChangeID(%q, %q)", r.Key, moved.Key)
				}
				return nil
			}
			if round%2 == 1 {
				if err := b.awaitEnd(r.Key, &over); err != nil {
					return err
				}
			}
			err := b.Store.(driver.SubjectDestroyer).DestroySubject(t.ctx, r.Subject)
			return unless(err, nil, "DestroySubject(%q) concurrent with ChangeID", r.Subject)
		})
		b.lacks(r.Key, moved.Key)
	}
}
