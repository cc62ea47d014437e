package histories

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
)

const (
	patience = 3 * time.Minute      // how much longer than their time histories may take before they count as hung
	hung     = 10 * time.Second     // after which a call counts as hung that has nothing to wait for
	margin   = 2 * time.Millisecond // added to Target.Resolution, for clocks that round
)

// The size of a history: enough calls for some conflicts, and few enough for the checker.
const (
	clientsPerGroup = 5
	bursts          = 5 // of calls; all clients of a group begin a burst together
	callsPerBurst   = 4
)

// historian lets groups of clients work on a store, in rounds, and checks the histories that
// they record.
type historian struct {
	testing.TB
	tgt    drivertest.Target
	ctx    context.Context // done only if a call hangs
	model  model
	stores []driver.Store // handles on the same records
	prefix string         // of the keys of this round
	listed []*op          // listings of all sessions in this round
	broken atomic.Bool

	mu    sync.Mutex // guards cause
	cause error      // the first error that no history may have
}

// checkConcurrent checks histories on one store until d is over, for at least one round.
func checkConcurrent(t testing.TB, tgt drivertest.Target, d time.Duration) {
	h := newHistorian(t, tgt, d)
	over := time.Now().Add(d)
	histories, calls, open := 0, 0, 0
	longest := time.Duration(0)
	for round := 1; round == 1 || time.Until(over) > longest; round++ {
		h.prefix, h.listed = fmt.Sprintf("h%d-", round), nil
		began := time.Now()
		groups := h.round(over)
		for _, g := range groups {
			open += h.check(g)
			histories, calls = histories+1, calls+len(g.ops)
		}
		longest = max(longest, time.Since(began))
	}
	t.Logf("%d histories of %d calls; left undecided: %d", histories, calls, open)
}

// newHistorian opens two handles on one store, for histories that take d.
func newHistorian(t testing.TB, tgt drivertest.Target, d time.Duration) *historian {
	ctx, cancel := context.WithTimeout(context.Background(), d+patience)
	t.Cleanup(cancel)
	h := &historian{TB: t, tgt: tgt, ctx: ctx, model: model{late: tgt.Resolution + margin}}
	dsn := tgt.DSN(t)
	for range 2 {
		h.stores = append(h.stores, h.open(dsn))
	}
	h.model.marks = h.can(drivertest.RenameTracker)
	return h
}

// open opens the store of dsn. It does not print dsn, because a DSN may hold a password.
func (h *historian) open(dsn string) driver.Store {
	open := h.tgt.Open
	if open == nil {
		open = h.tgt.Driver.Open
	}
	s, err := open(dsn)
	if err != nil {
		h.Fatalf("Open(dsn) = %s; want nil", text(err))
	}
	if c, ok := s.(driver.ClientSide); ok {
		s = c.ForCookie("drivertest")
	}
	h.Cleanup(func() { within(hung, s.Close) })
	return s
}

// can reports whether histories make the calls of an optional interface.
func (h *historian) can(i drivertest.Interfaces) bool {
	return h.tgt.Implements&i != 0 && !h.clientSide()
}

func (h *historian) clientSide() bool { return h.tgt.Implements&drivertest.ClientSide != 0 }

// canList reports whether the store lists its sessions.
func (h *historian) canList() bool {
	for check := range h.tgt.Skip {
		if strings.HasPrefix(check, "Sessions/") {
			return false
		}
	}
	return !h.clientSide()
}

// soon returns the longest lifetime of a record that expires during its history.
func (h *historian) soon() time.Duration { return 40*time.Millisecond + h.tgt.Resolution/2 }

// fail ends all histories. The first error is the one that is reported.
func (h *historian) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause == nil {
		h.cause = err
	}
	h.broken.Store(true)
}

// round makes one history for each of several groups, all at once, so that the groups wait for
// their records to expire at the same time. There are more groups if the wait is longer.
func (h *historian) round(over time.Time) []*group {
	n := 6
	if h.tgt.Resolution > h.soon()/2 {
		n = 24
	}
	groups := make([]*group, n)
	for i := range groups {
		groups[i] = h.newGroup(fmt.Sprintf("%s%d-", h.prefix, i))
	}
	// All bursts end after this time, even if a slow store has served only a few calls.
	limit := min(time.Second, max(time.Until(over)/2, 100*time.Millisecond)) + h.soon()
	err := within(limit+4*h.soon()+h.tgt.Resolution+3*hung, func() error {
		h.play(groups, time.Now().Add(limit))
		return nil
	})
	if err != nil {
		h.Fatalf("concurrent calls: %v; want each to return", err)
	}
	if h.broken.Load() {
		h.Fatal(h.cause)
	}
	return groups
}

// play lets the groups make their calls, while DeleteExpired and listings run.
func (h *historian) play(groups []*group, until time.Time) {
	over := make(chan struct{})
	var beside, clients sync.WaitGroup
	beside.Go(func() { h.sweep(h.stores[0], over) })
	if h.canList() {
		beside.Go(func() { h.list(h.stores[1], over) })
	}
	for _, g := range groups {
		clients.Go(func() { g.play(until) })
	}
	clients.Wait()
	close(over)
	beside.Wait()
	for _, g := range groups {
		g.clean()
	}
}

func (h *historian) newGroup(name string) *group {
	g := &group{h: h, name: name, expires: map[int64]bool{}}
	g.keys = []string{g.freshKey(), g.freshKey()}
	n := clientsPerGroup
	if h.clientSide() {
		n = 1
	}
	for i := range n {
		store := h.stores[i%len(h.stores)]
		if h.clientSide() {
			store = newTokens(h.tgt, store)
		}
		g.clients = append(g.clients, &client{&player{h.ctx, store, map[string]known{}}, i, g})
	}
	return g
}

// play makes the history of g. When all records that expire soon have expired, one client looks
// at every key.
func (g *group) play(until time.Time) {
	for range bursts {
		errs := together(len(g.clients), func(i int) error {
			for range callsPerBurst * clientsPerGroup / len(g.clients) {
				if g.h.broken.Load() || time.Now().After(until) {
					break
				}
				g.clients[i].act()
			}
			return nil
		})
		for _, err := range errs {
			if err != nil {
				g.h.fail(err)
			}
		}
		time.Sleep(rand.N(g.h.soon() / 2))
	}
	time.Sleep(time.Until(g.last) + g.h.model.late + margin)
	for _, key := range g.keys {
		if !g.h.broken.Load() {
			g.clients[0].look(key, true)
		}
	}
}

// clean removes the records that g has left.
func (g *group) clean() {
	for _, o := range g.ops {
		if o.changes() && o.write > 0 && strings.HasPrefix(o.target(), g.name) {
			_ = g.clients[0].store.Destroy(g.h.ctx, o.target())
		}
	}
}
