package drivertest

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"gosession.dev/session/driver"
)

const (
	listsLive = "Sessions returns the keys of the live records, in no particular order."
	listsOnce = "A record that is alive from the first element to the last must be yielded exactly once; " +
		"one that is created, renamed or ended meanwhile may be."
	listsOneError = "An error is yielded once, with an empty key, and ends the sequence."
	holdsNoLock   = "No lock, connection or cursor is held while a caller's code runs between two elements of a sequence: " +
		"the caller must be able to call any method from there."
	doneInLoop = "Between two elements of a sequence a context that is done must yield its error, and nothing follows."
)

var sessionsChecks = []check{
	{name: "Sessions/LiveOnly", server: true, in: "Store.Sessions", rule: listsLive, fn: sessionsLiveOnly},
	{name: "Sessions/ExactlyOnce", server: true, in: "Store.Sessions", rule: listsOnce, fn: sessionsExactlyOnce},
	{name: "Sessions/WhileOthersChange", server: true, in: "Store.Sessions", rule: listsOnce, fn: sessionsWhileOthersChange},
	{name: "Sessions/WhileRead", server: true, in: "Store.Sessions", rule: listsOnce, fn: sessionsWhileRead},
	{name: "Sessions/CallsInLoop", server: true, in: "package driver", rule: holdsNoLock, fn: sessionsCallsInLoop},
	{name: "Sessions/EarlyBreak", server: true, in: "package driver", rule: holdsNoLock, fn: sessionsEarlyBreak},
	{name: "Sessions/ContextInLoop", server: true, in: "package driver", rule: doneInLoop, fn: sessionsContextInLoop},
	{name: "Sessions/OneError", in: "Store.Sessions", rule: listsOneError, fn: sessionsOneError},
}

// pages is more records than a page of a listing is likely to hold.
const pages = 1100

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
	records := s.createMany(pages)
	t.yields(s.sessions(), records...)
}

// What was read lately is listed too, by one listing after the other.
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

// What is listed early may be destroyed or renamed from the loop; the rest of
// the listing does not shift.
func sessionsWhileOthersChange(t *trial) {
	const changes = 300
	s := t.open()
	records := map[string]*driver.Record{}
	for _, r := range s.createMany(pages) {
		records[r.Key] = r
	}
	seen := map[string]int{}
	l := s.sessions()
	for key, err := range l.seq {
		t.expect(err, nil, "%s while records change", l.call)
		r, mine := records[key]
		if !mine {
			continue
		}
		if seen[key]++; len(seen) > changes {
			continue
		}
		switch len(seen) % 4 {
		case 0:
			s.destroy(key, nil)
			delete(records, key)
		case 1:
			s.changeID(key, renamed(s.retrieve(key), "moved-"+key), nil)
			delete(records, key)
		case 2:
			s.create(t.record(), nil)
		default:
			s.holds(r)
		}
	}
	for key := range records {
		if seen[key] != 1 {
			t.Fatalf("%s while other records change yields %q %d times; want 1", l.call, key, seen[key])
		}
	}
}

func sessionsCallsInLoop(t *trial) {
	t.callsInLoop(func(s *handle) listing { return s.sessions() })
}

// callsInLoop calls every method between two elements of a listing.
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
			t.callsAll(h, ms, l.call)
		}
		break
	}
}

// callsAll calls the methods, each on a record of its own.
func (t *trial) callsAll(s *handle, ms []method, within string) {
	t.Helper()
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
		t.expect(err, nil, "%s from a loop over %s", m.name, within)
	}
}

func sessionsEarlyBreak(t *trial) {
	t.breaksEarly(func(s *handle) listing { return s.sessions() })
}

// breaksEarly leaves more loops early than a store may have connections.
func (t *trial) breaksEarly(list func(*handle) listing) {
	t.Helper()
	const breaks = 150
	s := t.open()
	for _, r := range t.records(3) {
		s.create(r, nil)
	}
	err := t.within(3*hung, func() error {
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

func sessionsContextInLoop(t *trial) {
	t.endsWithContext("Sessions()", func(ctx context.Context, s driver.Store) iter.Seq2[string, error] { return s.Sessions(ctx) })
}

// endsWithContext cancels the context of a listing at its second element. There are
// so many elements that some are of one page, however small that is.
func (t *trial) endsWithContext(call string, list func(context.Context, driver.Store) iter.Seq2[string, error]) {
	t.Helper()
	const records, last = 600, 2
	s := t.open()
	s.createMany(records)
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	n := 0
	for key, err := range list(ctx, s.Store) {
		switch n++; {
		case n <= last:
			t.expect(err, nil, "%s", call)
		case n > last+1:
			t.Fatalf("%s whose context is done yields %q, %s after the context's error; want nothing", call, key, text(err))
		case key != "" || !errors.Is(err, context.Canceled):
			t.Fatalf("%s whose context is done yields %q, %s; want no key, and %s", call, key, text(err), text(context.Canceled))
		}
		if n == last {
			cancel()
		}
	}
	if n != last+1 {
		t.Fatalf("%s whose context is done ends without an error; want %s", call, text(context.Canceled))
	}
}

// The error is that of a cancelled context: it can be had from any store.
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
