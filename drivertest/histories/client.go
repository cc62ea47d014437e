package histories

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
)

// group is a few clients that work on the same few sessions.
type group struct {
	h       *historian
	name    string // the prefix of its keys and subjects
	clients []*client

	// moving is held by a write that changes the subject of a record, and exclusively by
	// DestroySubject. The contract leaves open whether DestroySubject ends a record that gets
	// or loses the subject during the call.
	moving sync.RWMutex

	// renaming is held by ChangeID, and exclusively by a DestroySubject with an exception. The
	// contract leaves open whether the exception still holds for a record whose key changes
	// during the call.
	renaming sync.RWMutex

	mu      sync.Mutex // guards what follows
	keys    []string   // keys that clients may know
	named   int        // how many keys were made
	written int        // how many writes were made
	ops     []*op
	expires map[int64]bool // the expiries that were set
	last    time.Time      // the latest expiry that comes during the history
}

// client makes one call after another, as a browser or a request does.
type client struct {
	*player
	id int
	g  *group
}

// do makes the call and records it.
func (c *client) do(o *op) {
	o.client = c.id
	if err := c.play(o); err != nil {
		c.g.h.fail(err)
		return
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	c.g.ops = append(c.g.ops, o)
	if o.verb == doChangeID && o.err == nil {
		c.g.keys = append(c.g.keys, o.newKey)
	}
}

// act makes a random call.
func (c *client) act() {
	h, key := c.g.h, c.g.key()
	switch n := rand.IntN(100); {
	case n < 15:
		c.write(&op{verb: doCreate, key: key}, "")
	case n < 40:
		c.writeOver(&op{verb: doFlush, key: key})
	case n < 48:
		c.writeOver(&op{verb: doChangeID, key: key, newKey: c.g.freshKey()})
	case n < 54:
		c.do(&op{verb: doDestroy, key: key})
	case n < 66 && h.can(drivertest.Toucher):
		c.do(&op{verb: doTouch, key: key, expires: c.g.expiry()})
	case n < 70 && h.can(drivertest.SubjectLister):
		c.do(&op{verb: doList, subject: c.g.subject(0)})
	case n < 72 && h.can(drivertest.SubjectDestroyer):
		c.destroySubject()
	case n < 76 && h.can(drivertest.RenameTracker):
		c.do(&op{verb: doRenamed, key: key})
	default:
		c.look(key, rand.IntN(2) == 0)
	}
}

// look retrieves the record under a key. If there is none and askMark is true, it asks for the
// mark.
func (c *client) look(key string, askMark bool) {
	o := &op{verb: doRetrieve, key: key}
	c.do(o)
	if o.err == driver.ErrNotFound && askMark && c.g.h.can(drivertest.RenameTracker) {
		c.do(&op{verb: doRenamed, key: key})
	}
}

// writeOver makes a conditional write over the version that the client has read or written last,
// however long ago that was. If the client knows no version of the record, it reads the record
// instead.
func (c *client) writeOver(o *op) {
	base, ok := c.known[o.key]
	if !ok {
		c.do(&op{verb: doRetrieve, key: o.key})
		return
	}
	o.base, o.version = base.image, base.version
	if o.verb == doChangeID {
		c.g.renaming.RLock()
		defer c.g.renaming.RUnlock()
	}
	c.write(o, base.subject)
}

// write stores a record whose subject was that before.
func (c *client) write(o *op, subject string) {
	c.g.writes(o)
	if o.verb == doFlush && rand.IntN(5) == 0 {
		o.repeats(o.base)
	}
	if o.subject != subject {
		c.g.moving.RLock()
		defer c.g.moving.RUnlock()
	}
	c.do(o)
}

func (c *client) destroySubject() {
	o := &op{verb: doDestroySubject, subject: c.g.subject(0)}
	if rand.IntN(2) == 0 {
		o.except = []string{c.g.key()}
		c.g.renaming.Lock()
		defer c.g.renaming.Unlock()
	}
	c.g.moving.Lock()
	defer c.g.moving.Unlock()
	c.do(o)
}

// key returns a key that clients may know, mostly one of the latest.
func (g *group) key() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	last := min(len(g.keys), 3)
	if rand.IntN(4) == 0 {
		last = len(g.keys)
	}
	return g.keys[len(g.keys)-1-rand.IntN(last)]
}

// freshKey returns a new key. Other clients learn it when its record exists.
func (g *group) freshKey() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.named++
	return fmt.Sprintf("%skey-%d", g.name, g.named)
}

// writes fills in what a call writes.
func (g *group) writes(o *op) {
	o.write = g.nextWrite()
	o.expires = g.expiry()
	o.subject = g.subject(rand.IntN(4))
}

func (g *group) nextWrite() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.written++
	return g.written
}

// subject returns a subject of the group: bob if n is 2, none if n is 3, and ann otherwise.
func (g *group) subject(n int) string {
	switch n {
	case 2:
		return g.name + "bob"
	case 3:
		return ""
	}
	return g.name + "ann"
}

// expiry returns a time to expire, which comes during the history with a probability of a quarter.
// No two are the same, so that the expiry of a record tells which Touch has set it.
func (g *group) expiry() int64 { return g.expiryAt(rand.IntN(4) == 0) }

func (g *group) expiryAt(soon bool) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		e := now().Add(time.Hour + time.Duration(rand.IntN(1e6))*time.Millisecond)
		if soon {
			e = now().Add(5*time.Millisecond + rand.N(g.h.soon()))
		}
		e = e.Truncate(time.Millisecond)
		if g.expires[e.UnixMilli()] {
			continue
		}
		g.expires[e.UnixMilli()] = true
		if soon && e.After(g.last) {
			g.last = e
		}
		return e.UnixMilli()
	}
}

// sweep removes expired records until over is closed.
func (h *historian) sweep(store driver.Store, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(5 * time.Millisecond):
		}
		if n, err := store.DeleteExpired(h.ctx); err != nil || n < 0 {
			h.fail(fmt.Errorf("DeleteExpired() = %d, %s; want 0 or more, nil", n, text(err)))
			return
		}
	}
}
