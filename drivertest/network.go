package drivertest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest/netfault"
)

// The checks of Network put a proxy between the store and its server. The proxy fails as networks
// and servers do. Meanwhile each call returns in its context's time, with an error that is no answer
// about a record. When the proxy no longer fails, the store works again.

var networkChecks = []check{
	{name: "Network/Refused", in: "package driver", rule: outageIsNoAnswer, given: "Proxy", fn: networkFault((*netfault.Proxy).Down)},
	{name: "Network/Silent", in: "package driver", rule: contextWaits, given: "Proxy", fn: networkFault((*netfault.Proxy).Swallow)},
	{name: "Network/Slow", in: "package driver", rule: contextWaits, given: "Proxy",
		fn: networkFault(func(p *netfault.Proxy) { p.Delay(5 * time.Second) })},
	{name: "Network/Trickle", in: "package driver", rule: contextWaits, given: "Proxy",
		fn: networkFault(func(p *netfault.Proxy) { p.Trickle(5) })},
	{name: "Network/Reset", in: "package driver", rule: outageIsNoAnswer, given: "Proxy", fn: networkFault((*netfault.Proxy).Reset)},
	{name: "Network/Cut", in: "package driver", rule: outageIsNoAnswer, given: "Proxy",
		fn: networkFault(func(p *netfault.Proxy) { p.CutAfter(shorterThanAnswers) })},
	{name: "Network/CutAnywhere", in: "package driver", rule: ownAnswer, given: "Proxy", fn: networkCutAnywhere},
	{name: "Network/Flapping", in: "package driver", rule: connectsAgain, given: "Proxy", fn: networkFlaps},
	{name: "Network/Cancelled", in: "package driver", rule: contextWaits, given: "Proxy", fn: networkCancelled},
	{name: "Network/LeavesRecord", in: "package driver", rule: leavesRecord, given: "Proxy", fn: networkLeavesRecord},
	{name: "Network/LostAnswer", in: "package driver", rule: lostAnswer, given: "Proxy", fn: networkLostAnswer},
	{name: "Network/ListingFails", server: true, in: "Store.Sessions", rule: listsOneError, given: "Proxy", fn: networkListingFails},
	{name: "Network/Listings", server: true, in: "package driver", rule: holdsNoLock, given: "Proxy", fn: networkListings},
	{name: "Network/DeleteExpired", in: "Store.DeleteExpired", rule: sweepRemoves, given: "Proxy", waits: true, fn: networkDeleteExpired},
	{name: "Network/Ping", in: "Pinger.Ping", rule: pingTellsTruth, needs: Pinger, given: "Proxy", fn: networkPing},
	{name: "Network/Restart", in: "package driver", rule: connectsAgain, given: "Restart", fn: networkRestart},
}

// shorterThanAnswers is a number of bytes that no whole answer of a server has: Redis says that there
// is no value in 3 bytes.
const shorterThanAnswers = 2

// recovery is within which all is well after a fault: MongoDB's client, for instance, looks for
// its servers every 10 s.
const recovery = 20 * time.Second

// network is a store behind a proxy.
type network struct {
	*handle
	proxy   *netfault.Proxy
	methods []method // that ask the server
}

// behindProxy opens a new and empty store behind a proxy, and uses it.
func (t *trial) behindProxy() network {
	t.Helper()
	server, dsn := t.tgt.Proxy(t.TB)
	proxy := netfault.Start(t.TB, server)
	t.marksGoroutines()
	n := network{handle: t.openDSN(dsn(proxy.Addr)), proxy: proxy}
	n.recovers()
	n.methods = t.works(n.Store)
	return n
}

// networkFault returns a check of a kind of harm that lets no call succeed.
func networkFault(harm func(*netfault.Proxy)) func(*trial) {
	return func(t *trial) {
		n := t.behindProxy()
		harm(n.proxy)
		n.allFail()
		n.proxy.Heal()
		n.recovers()
		n.close()
		const own = 1 // the goroutine of the check
		if err := t.usesAtMost(use{goroutines: own}, n.proxy); err != nil {
			t.Fatalf("after Close: %v", err)
		}
	}
}

// allFail makes every call at once.
func (n network) allFail() {
	t := n.t
	t.Helper()
	ms := n.methods
	t.allSucceed(len(ms), func(i int) error {
		err := n.t.timed(ms[i].name, func(ctx context.Context) error {
			r := newRecord(fmt.Sprint("harmed-", i))
			r.Version = 1
			return ms[i].call(ctx, n.Store, r)
		})
		if err == nil && ms[i].name != "DeleteExpired" { // a backend may expire records by itself
			return fmt.Errorf("%s of a server that can't be reached = nil; want an error", ms[i].name)
		}
		return isOutage(ms[i].name, err)
	})
}

// isOutage returns an error if err is an answer about a record, or no result in time.
func isOutage(name string, err error) error {
	if err := untimely(err); err != nil {
		return fmt.Errorf("%s of a server that can't be reached: %w; want an error in time", name, err)
	}
	for _, answer := range []error{
		driver.ErrNotFound, driver.ErrExists, driver.ErrConflict, driver.ErrTooLarge, driver.ErrCorrupt,
		driver.ErrClosed, errors.ErrUnsupported,
	} {
		if errors.Is(err, answer) {
			return fmt.Errorf("%s of a server that can't be reached = %s; want another error", name, text(err))
		}
	}
	return nil
}

// recovers waits until all calls succeed. Until then they may be outages, and nothing else.
func (n network) recovers() {
	n.t.Helper()
	var err error
	for start := time.Now(); time.Since(start) < recovery; time.Sleep(20 * time.Millisecond) {
		if err = n.t.within(recovery, n.works); err == nil {
			return
		}
		n.t.expect(isOutage("a call", err), nil, "after the server can be reached again, a call on a record of its own")
	}
	n.t.Fatalf("%v after the server can be reached again: %v", recovery, err)
}

// works makes every call on a record of its own.
func (n network) works() error {
	for _, m := range n.t.works(n.Store) {
		if err := n.use(n.t.ctx, m, n.t.freshKey()); err != nil {
			return err
		}
	}
	return nil
}

// use makes a call on a record of its own.
func (n network) use(ctx context.Context, m method, key string) error {
	r := newRecord(key)
	r.Subject = key
	if err := n.Store.Create(ctx, r); err != nil {
		return fmt.Errorf("Create = %w", err)
	}
	stored, err := n.Store.Retrieve(ctx, key)
	if err != nil {
		return fmt.Errorf("Retrieve = %w", err)
	}
	if err := m.call(ctx, n.Store, stored); err != nil {
		return fmt.Errorf("%s = %w", m.name, err)
	}
	return nil
}

var freshKeys atomic.Int64

// freshKey is key for several goroutines.
func (t *trial) freshKey() string { return fmt.Sprint("fresh-", freshKeys.Add(1)) }

// networkFlaps makes calls while the server comes and goes. They succeed or are outages.
func networkFlaps(t *trial) {
	const goroutines, times = 4, 20
	n := t.behindProxy()
	ms := n.methods
	var over atomic.Bool
	t.allSucceed(1+goroutines, func(i int) error {
		if i == goroutines {
			defer over.Store(true)
			for range times {
				n.proxy.Down()
				time.Sleep(deadline / 7)
				n.proxy.Heal()
				time.Sleep(deadline / 7)
			}
			return nil
		}
		for !over.Load() {
			for _, m := range ms {
				err := n.t.timed(m.name, func(ctx context.Context) error { return n.use(ctx, m, t.freshKey()) })
				if err := isOutage(m.name, err); err != nil {
					return err
				}
			}
		}
		return nil
	})
	n.recovers()
}

// networkCutAnywhere cuts the connection after each of many numbers of bytes: the record that
// is read is right, or the call is an outage.
func networkCutAnywhere(t *trial) {
	const size = 400 // about that of the longest answer
	n := t.behindProxy()
	r := t.record()
	n.create(r, nil)
	for k := 0; k < size; k += 1 + k/10 {
		n.proxy.CutAfter(k)
		var got *driver.Record
		err := n.t.timed("Retrieve", func(ctx context.Context) (err error) {
			got, err = n.Store.Retrieve(ctx, r.Key)
			return err
		})
		t.expect(isOutage("Retrieve", err), nil, "Retrieve(%q), cut off after %d bytes", r.Key, k)
		if err == nil {
			if d := difference(got, r, "Key", "Data", "Subject"); d != "" {
				t.Fatalf("Retrieve(%q), cut off after %d bytes%s", r.Key, k, d)
			}
		}
		n.proxy.Heal()
		n.awaits(r.Key)
	}
}

// awaits waits until a record can be read.
func (n network) awaits(key string) {
	n.t.Helper()
	var err error
	for start := time.Now(); time.Since(start) < recovery; time.Sleep(time.Millisecond) {
		if _, err = n.Store.Retrieve(n.t.ctx, key); err == nil {
			return
		}
	}
	n.t.Fatalf("Retrieve(%q), %v after the server can be reached again = %s; want nil", key, recovery, text(err))
}

// networkCancelled cancels calls that have no deadline.
func networkCancelled(t *trial) {
	n := t.behindProxy()
	n.proxy.Swallow()
	ms := n.methods
	soon := func() (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(deadline, cancel)
		return ctx, cancel
	}
	t.allSucceed(len(ms), func(i int) error {
		err := t.timedBy(soon, ms[i].name, func(ctx context.Context) error {
			r := newRecord(fmt.Sprint("cancelled-", i))
			r.Version = 1
			return ms[i].call(ctx, n.Store, r)
		})
		if err == nil && ms[i].name == "DeleteExpired" {
			return nil // a backend may expire records by itself
		}
		if untimely(err) != nil || !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s whose context is cancelled after %v while the server does not answer = %s; want %s",
				ms[i].name, deadline, text(err), text(context.Canceled))
		}
		return nil
	})
}

const leavesRecord = "If the context ends during a write, the method returns the context's error and leaves the record as it was given; " +
	"whether the write has taken effect is not known."

// networkLeavesRecord looks whether a write changes the record that it was given when its
// caller has gone on.
func networkLeavesRecord(t *trial) {
	n := t.behindProxy()
	live, moves := t.record(), t.record()
	n.create(live, nil)
	n.create(moves, nil)
	n.proxy.Swallow()
	for _, w := range []struct {
		name string
		r    *driver.Record
		call func(context.Context, *driver.Record) error
	}{
		{"Create", t.record(), n.Store.Create},
		{"Flush", live, n.Store.Flush},
		{"ChangeID", renamed(moves, t.key()), func(ctx context.Context, r *driver.Record) error {
			return n.Store.ChangeID(ctx, moves.Key, r)
		}},
	} {
		before := copyOf(w.r)
		err := n.t.timed(w.name, func(ctx context.Context) error { return w.call(ctx, w.r) })
		if err == nil {
			t.Fatalf("%s while the server does not answer = nil; want an error", w.name)
		}
		t.expect(isOutage(w.name, err), nil, "%s", w.name)
		time.Sleep(deadline)
		if d := difference(w.r, before, allFields...); d != "" {
			t.Errorf("after %s, whose context ended, the record%s", w.name, d)
		}
	}
}

const lostAnswer = "A write that is sent again, by the store or its client library, because the first answer was lost, " +
	"must not fail with ErrExists, ErrConflict or ErrNotFound because of its own first attempt."

// networkLostAnswer loses one answer to a write that the server has made. A client that sends the
// write again, by itself, finds its own work. A write may take several requests, so each of the
// first answers is lost once.
func networkLostAnswer(t *trial) {
	const answers = 6
	n := t.behindProxy()
	for lost := range answers {
		flushed, moved, ended, created := t.record(), t.record(), t.record(), t.record()
		for _, r := range []*driver.Record{flushed, moved, ended} {
			n.create(r, nil)
		}
		for _, w := range []struct {
			name string
			call func(context.Context) error
		}{
			{"Create", func(ctx context.Context) error { return n.Store.Create(ctx, created) }},
			{"Flush", func(ctx context.Context) error { return n.Store.Flush(ctx, flushed) }},
			{"ChangeID", func(ctx context.Context) error {
				return n.Store.ChangeID(ctx, moved.Key, renamed(moved, t.key()))
			}},
			{"Destroy", func(ctx context.Context) error { return n.Store.Destroy(ctx, ended.Key) }},
		} {
			n.proxy.ResetOnce(lost)
			ctx, cancel := context.WithTimeout(t.ctx, hung)
			err := t.within(hung+t.tgt.slack(), func() error { return w.call(ctx) })
			cancel()
			n.proxy.Heal()
			if err := isOutage(w.name, err); err != nil {
				t.Fatalf("%s, whose answer %d was lost: %v", w.name, lost+1, err)
			}
			n.recovers()
		}
	}
}

// networkListingFails has the server fail in the middle of a listing.
func networkListingFails(t *trial) {
	n := t.behindProxy()
	records := n.createMany(t.tgt.many())
	for _, l := range t.lists(n.handle, records[0].Subject) {
		listing, cancel := t.limited(l)
		seen, failed := 0, false
		for key, err := range listing.seq {
			switch seen++; {
			case failed:
				t.Fatalf("%s yields %q, %s after an error; want nothing", listing.call, key, text(err))
			case err != nil:
				failed = true
				t.expect(isOutage(listing.call, err), nil, "%s", listing.call)
			case seen == 1:
				n.proxy.Down()
			}
		}
		if !failed && seen < len(records) {
			t.Fatalf("%s, whose server fails after the first of %d keys, yields %d and no error; want an error", listing.call, len(records), seen)
		}
		cancel()
		n.proxy.Heal()
		n.recovers()
	}
}

// limited returns a listing whose context ends soon: a client library may wait for a server much
// longer.
func (t *trial) limited(list func() listing) (l listing, cancel context.CancelFunc) {
	whole := t.ctx
	defer func() { t.ctx = whole }()
	t.ctx, cancel = context.WithTimeout(whole, hung)
	return list(), cancel
}

// networkListings leaves loops early, and others open, and looks at what the store then has in use.
func networkListings(t *trial) {
	const breaks, open, few = 150, 15, 5
	n := t.behindProxy()
	records := n.createMany(3)
	before := t.inUse(n.proxy)
	most := use{before.goroutines + few, before.connections + few} // a store may connect again
	for _, l := range t.lists(n.handle, records[0].Subject) {
		err := t.within(forMany, func() error {
			for range breaks {
				if err := withOpen(1, l, func() error { return nil }); err != nil {
					return err
				}
			}
			return nil
		})
		t.expect(err, nil, "%d loops over %s left by break", breaks, l().call)
		if err := t.usesAtMost(most, n.proxy); err != nil {
			t.Fatalf("after %d loops over %s were left by break: %v", breaks, l().call, err)
		}
		err = t.within(forMany, func() error {
			return withOpen(open, l, func() error { return t.usesAtMost(most, n.proxy) })
		})
		if err != nil {
			t.Fatalf("within %d loops over %s: %v", open, l().call, err)
		}
	}
}

// networkDeleteExpired sweeps while the server can't be reached. A store that has removed expired
// records before asks its backend, and so it has to fail.
func networkDeleteExpired(t *trial) {
	n := t.behindProxy()
	t.waitUntil(n.createManyBrief(3)[0].Expires)
	if n.deleteExpired() == 0 {
		return // the backend expires records by itself
	}
	n.proxy.Down()
	err := n.t.timed("DeleteExpired", func(ctx context.Context) error {
		_, err := n.Store.DeleteExpired(ctx)
		return err
	})
	if err == nil {
		t.Fatal("DeleteExpired() of a server that can't be reached = nil; want an error")
	}
	t.expect(isOutage("DeleteExpired", err), nil, "DeleteExpired()")
}

// networkPing calls Ping while the server can be reached, while it can't, and again.
func networkPing(t *trial) {
	n := t.behindProxy()
	for range 3 {
		t.expect(n.pinger().Ping(t.ctx), nil, "Ping()")
		n.proxy.Down()
		err := n.t.timed("Ping", n.pinger().Ping)
		if err == nil {
			t.Fatal("Ping() of a server that refuses connections, after a Ping that returned nil = nil; want an error")
		}
		t.expect(isOutage("Ping", err), nil, "Ping()")
		n.proxy.Heal()
		n.recovers()
	}
}

const connectsAgain = "Restarts: when the backend has been down and is back, the store must work again: " +
	"it connects again, and prepares again what a restart has lost (statements, scripts)."

// networkRestart restarts the server while stores use it.
func networkRestart(t *trial) {
	handles := []network{{handle: t.open()}, {handle: t.open()}}
	for range 2 {
		for _, n := range handles {
			n.recovers()
		}
		t.tgt.Restart(t.TB, t.dsn)
		for _, n := range handles {
			n.recovers()
		}
	}
}
