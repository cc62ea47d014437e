package drivertest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

const (
	listsLive = "Sessions returns the keys of the live records, in no particular order."
	listsOnce = "A record that is live from the first element to the last must be yielded exactly once; " +
		"a record that is created, renamed or ended during the listing may be yielded or not."
	listsOneError = "An error is yielded once, with an empty key, and ends the sequence."
	holdsNoLock   = "A store holds no lock, connection or cursor while the caller's code runs between two elements of a sequence: " +
		"the caller must be able to call any method there."
	doneInLoop = "If the context is done between two elements of a sequence, " +
		"the sequence must yield the context's error and end."
)

var sessionsChecks = []check{
	{name: "Sessions/LiveOnly", server: true, in: "Store.Sessions", rule: listsLive, fn: sessionsLiveOnly},
	{name: "Sessions/ExactlyOnce", server: true, in: "Store.Sessions", rule: listsOnce, fn: sessionsExactlyOnce},
	{name: "Sessions/WhileOthersChange", server: true, in: "Store.Sessions", rule: listsOnce, fn: sessionsWhileOthersChange},
	{name: "Sessions/WhileRead", server: true, in: "Store.Sessions", rule: listsOnce, fn: sessionsWhileRead},
	{name: "Sessions/CallsInLoop", server: true, in: "package driver", rule: holdsNoLock, fn: sessionsCallsInLoop},
	{name: "Sessions/ManyOpen", server: true, in: "package driver", rule: holdsNoLock, fn: sessionsManyOpen},
	{name: "Sessions/Extended", server: true, in: "Store.Sessions", rule: listsOnce, waits: true, fn: sessionsExtended},
	{name: "Sessions/EarlyBreak", server: true, in: "package driver", rule: holdsNoLock, fn: sessionsEarlyBreak},
	{name: "Sessions/ContextInLoop", server: true, in: "package driver", rule: doneInLoop, fn: sessionsContextInLoop},
	{name: "Sessions/OneError", in: "Store.Sessions", rule: listsOneError, fn: sessionsOneError},
}

func sessionsLiveOnly(t *trial) {
	s := t.open()
	t.yields(s.sessions())
	ended, renames, stays := t.record(), t.record(), t.record()
	for _, r := range []*driver.Record{ended, renames, stays} {
		s.create(r, nil)
	}
	t.yields(s.sessions(), ended, renames, stays)
	moved := renamed(renames, t.key())
	s.changeID(renames.Key, moved, nil)
	s.destroy(ended.Key, nil)
	s.flush(stays, nil)
	t.yields(s.sessions(), moved, stays)
}

func sessionsExactlyOnce(t *trial) {
	s := t.open()
	records := s.createMany(t.tgt.many())
	t.yields(s.sessions(), records...)
}

// Records that were just read are listed too, in each of many listings.
func sessionsWhileRead(t *trial) {
	const times = 50
	s := t.open()
	records := s.createMany(3)
	for range times {
		for _, r := range records {
			s.retrieve(r.Key)
		}
		t.yields(s.sessions(), records...)
	}
}

// The loop destroys and renames records that were listed, and the rest of the listing does
// not shift. The changes are spread over all pages, and they are few, because some backends
// look at every record for each change.
func sessionsWhileOthersChange(t *trial) {
	t.whileOthersChange(func(s *handle) listing { return s.sessions() })
}

func (t *trial) whileOthersChange(list func(*handle) listing) {
	t.Helper()
	every := t.tgt.many() / 50
	s := t.open()
	records := map[string]*driver.Record{}
	for _, r := range s.createMany(t.tgt.many()) {
		records[r.Key] = r
	}
	seen := map[string]int{}
	l := list(s)
	for key, err := range l.seq {
		t.expect(err, nil, "%s while records change", l.call)
		r, mine := records[key]
		if !mine {
			continue
		}
		if seen[key]++; len(seen)%every != 0 {
			continue
		}
		n, fresh := len(seen)/every%4, t.record()
		err := t.within(hung, func() error { return s.changeWhileListed(n, r, fresh) })
		t.expect(err, nil, "a call from a loop over %s", l.call)
		if n < 2 {
			delete(records, key)
		}
	}
	for key := range records {
		if seen[key] != 1 {
			t.Fatalf("%s while other records change yields %q %d times; want 1 time", l.call, key, seen[key])
		}
	}
}

// changeWhileListed makes one of four kinds of calls: it ends r, renames it, creates another
// record, or reads r.
func (h *handle) changeWhileListed(n int, r, fresh *driver.Record) error {
	ctx := h.t.ctx
	switch n {
	case 0:
		return unless(h.Store.Destroy(ctx, r.Key), nil, "Destroy(%q)", r.Key)
	case 1:
		stored, err := h.Store.Retrieve(ctx, r.Key)
		if err != nil {
			return unless(err, nil, "Retrieve(%q)", r.Key)
		}
		return unless(h.Store.ChangeID(ctx, r.Key, renamed(stored, "moved-"+r.Key)), nil, "ChangeID(%q)", r.Key)
	case 2:
		return unless(h.Store.Create(ctx, fresh), nil, "Create(%q)", fresh.Key)
	}
	stored, err := h.Store.Retrieve(ctx, r.Key)
	if err != nil {
		return unless(err, nil, "Retrieve(%q)", r.Key)
	}
	if d := difference(stored, r, "Data"); d != "" {
		return fmt.Errorf("Retrieve(%q)%s", r.Key, d)
	}
	return nil
}

func sessionsCallsInLoop(t *trial) {
	t.callsInLoop(func(s *handle) listing { return s.sessions() })
}

// callsInLoop calls every method between two elements of a listing, through the same store
// and through another.
func (t *trial) callsInLoop(list func(*handle) listing) {
	t.Helper()
	s, other := t.open(), t.open()
	for _, r := range t.records(3) {
		s.create(r, nil)
	}
	ms := t.works(s.Store)
	l := list(s)
	for _, err := range l.seq {
		t.expect(err, nil, "%s", l.call)
		for _, h := range []*handle{s, other} {
			t.expect(t.callsAll(h, ms), nil, "from a loop over %s, a call", l.call)
		}
		break
	}
}

// callsAll calls the methods, each on a record of its own, and returns the first error.
func (t *trial) callsAll(s *handle, ms []method) error {
	ctx, cancel := context.WithTimeout(t.ctx, hung/2)
	defer cancel()
	for _, m := range ms {
		r := t.record()
		r.Subject = "user:" + r.Key
		err := t.within(hung, func() error {
			if err := s.Store.Create(ctx, r); err != nil {
				return err
			}
			if stored, err := s.Store.Retrieve(ctx, r.Key); err == nil {
				r.Version = stored.Version
			}
			return m.call(ctx, s.Store, r)
		})
		if err != nil {
			return fmt.Errorf("%s = %w", m.name, err)
		}
	}
	return nil
}

func sessionsEarlyBreak(t *trial) {
	t.breaksEarly(func(s *handle) listing { return s.sessions() })
}

// breaksEarly leaves more loops early than a store is likely to have connections.
func (t *trial) breaksEarly(list func(*handle) listing) {
	t.Helper()
	const breaks = 150
	s := t.open()
	for _, r := range t.records(3) {
		s.create(r, nil)
	}
	err := t.within(forMany, func() error {
		for range breaks {
			for _, err := range list(s).seq {
				if err != nil {
					return err
				}
				break
			}
		}
		ctx, cancel := context.WithTimeout(t.ctx, hung)
		defer cancel()
		return s.Store.Create(ctx, newRecord("after-the-breaks"))
	})
	t.expect(err, nil, "%d loops left by break, then Create", breaks)
}

func sessionsManyOpen(t *trial) {
	t.manyOpen(func(s *handle) listing { return s.sessions() })
}

// manyOpen has more listings under way than a store is likely to have connections.
func (t *trial) manyOpen(list func(*handle) listing) {
	t.Helper()
	const open = 150
	s := t.open()
	for _, r := range t.records(3) {
		s.create(r, nil)
	}
	ms := t.works(s.Store)
	err := t.within(forMany, func() error {
		return withOpen(open, func() listing { return list(s) }, func() error { return t.callsAll(s, ms) })
	})
	t.expect(err, nil, "a call within %d loops over %s", open, list(s).call)
}

// withOpen calls f within n loops over listings, of which each is the body of the one before.
func withOpen(n int, list func() listing, f func() error) error {
	if n == 0 {
		return f()
	}
	for _, err := range list().seq {
		if err != nil {
			return err
		}
		return withOpen(n-1, list, f)
	}
	return errors.New("the listing yields nothing")
}

func sessionsExtended(t *trial) {
	t.extendsListed(func(s *handle) listing { return s.sessions() })
}

// extendsListed has records whose expiry is moved on while they are listed: the listing may
// have read the old one.
func (t *trial) extendsListed(list func(*handle) listing) {
	t.Helper()
	const listed = 20
	s := t.open()
	var next func() (string, error, bool)
	var first time.Time
	seen := map[string]int{}
	t.inTime(func(expires time.Time) error {
		first = expires
		clear(seen)
		records := t.records(listed)
		for _, r := range records {
			r.Expires = expires
			if err := s.createVersion(r); err != nil {
				return err
			}
			seen[r.Key] = 0
		}
		var stop func()
		next, stop = iter.Pull2(list(s).seq)
		t.Cleanup(stop)
		key, err, _ := next()
		if err != nil {
			return unless(err, nil, "%s", list(s).call)
		}
		seen[key]++
		for _, r := range records {
			r.Expires = now().Add(time.Hour)
			err := s.call(func(ctx context.Context) error { return s.Store.Flush(ctx, r) })
			if err != nil {
				return unless(err, nil, "Flush(%q)", r.Key)
			}
		}
		return nil
	})
	t.waitUntil(first)
	for key, err, ok := next(); ok; key, err, ok = next() {
		t.expect(err, nil, "%s", list(s).call)
		if _, mine := seen[key]; mine {
			seen[key]++
		}
	}
	for key, times := range seen {
		if times != 1 {
			t.Fatalf("%s, while the expiry of %q is moved on, yields the key %d times; want 1 time", list(s).call, key, times)
		}
	}
}

func sessionsContextInLoop(t *trial) {
	t.endsWithContext("Sessions()", func(ctx context.Context, s driver.Store) iter.Seq2[string, error] { return s.Sessions(ctx) })
}

// endsWithContext ends the context of a listing at the second element, in each way in which
// a context can end. There are so many records that a page holds several, even a small one.
func (t *trial) endsWithContext(call string, list func(context.Context, driver.Store) iter.Seq2[string, error]) {
	t.Helper()
	const records, soon = 600, 300 * time.Millisecond
	s := t.open()
	s.createMany(records)

	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	t.listEnds(ctx, call+" whose context is cancelled", list(ctx, s.Store), cancel)

	ctx, cancel = context.WithCancel(t.ctx)
	defer cancel()
	for range list(ctx, s.Store) {
		cancel()
		break // a sequence that yields the error now panics, because its loop is over
	}

	ctx, cancelCause := context.WithCancelCause(t.ctx)
	defer cancelCause(nil)
	t.listEnds(ctx, call+" whose context is cancelled with a cause", list(ctx, s.Store), func() { cancelCause(errCause) })

	ctx, cancel = context.WithTimeout(t.ctx, soon)
	defer cancel()
	expired := ctx
	t.listEnds(ctx, call+" whose context expires", list(ctx, s.Store), func() { <-expired.Done() })
}

// listEnds calls end at the second element of a listing, and checks that the listing then
// yields the error of ctx and ends. end makes ctx done.
func (t *trial) listEnds(ctx context.Context, call string, seq iter.Seq2[string, error], end func()) {
	t.Helper()
	const last = 2
	n := 0
	for key, err := range seq {
		switch n++; {
		case n <= last && err != nil && ctx.Err() != nil:
			return // on a slow machine the context has expired earlier
		case n <= last:
			t.expect(err, nil, "%s", call)
		case n > last+1:
			t.Fatalf("%s yields %q, %s after the context's error; want nothing", call, key, text(err))
		case key != "" || !errors.Is(err, ctx.Err()):
			t.Fatalf("%s yields %q, %s; want no key, and %s", call, key, text(err), text(ctx.Err()))
		}
		if n == last {
			end()
		}
	}
	if n != last+1 {
		t.Fatalf("%s ends without an error; want %s", call, text(ctx.Err()))
	}
}

// The error is that of a cancelled context, which every store can be made to yield.
func sessionsOneError(t *trial) {
	s := t.open()
	s.create(t.record(), nil)
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	var yielded []string
	for key, err := range s.Store.Sessions(ctx) {
		yielded = append(yielded, fmt.Sprintf("%q, %s", key, text(err)))
		if len(yielded) == 1 && (key != "" || err == nil) {
			t.Errorf("Sessions() with a cancelled context yields %s; want no key, and an error", yielded[0])
		}
	}
	if len(yielded) != 1 {
		t.Errorf("Sessions() with a cancelled context yields %q; want one error", yielded)
	}
}
