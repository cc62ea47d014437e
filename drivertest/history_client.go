package drivertest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

// group is some clients that work on the same few sessions.
type group struct {
	h       *historian
	name    string // begins its keys and subjects
	clients []*client

	// moving is held by a write that brings a record to a subject or from it, and
	// exclusively by DestroySubject. The contract leaves open whether a record that
	// joins or leaves a subject during the call has ended then.
	moving sync.RWMutex

	// renaming is held by ChangeID, and exclusively by a DestroySubject that spares a
	// key. The contract leaves open whether that goes along with a record.
	renaming sync.RWMutex

	mu      sync.Mutex // guards what follows
	keys    []string   // those that clients may know
	named   int        // how many keys there were
	written int        // how many writes
	ops     []*op
	expires map[int64]bool // those that were set
	last    time.Time      // the last that comes soon
}

// client is a browser or a request, which makes one call after another.
type client struct {
	*player
	id int
	g  *group
}

// do makes the call, and takes it down.
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

// act makes a call at random.
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
	case n < 66 && h.can(Toucher):
		c.do(&op{verb: doTouch, key: key, expires: c.g.expiry()})
	case n < 70 && h.can(SubjectLister):
		c.do(&op{verb: doList, subject: c.g.subject(0)})
	case n < 72 && h.can(SubjectDestroyer):
		c.destroySubject()
	case n < 76 && h.can(RenameTracker):
		c.do(&op{verb: doRenamed, key: key})
	default:
		c.look(key, rand.IntN(2))
	}
}

// look retrieves the record under a key. If there is none, it asks how often the key
// was renamed.
func (c *client) look(key string, renamed int) {
	o := &op{verb: doRetrieve, key: key}
	c.do(o)
	if o.err == driver.ErrNotFound && renamed > 0 && c.g.h.can(RenameTracker) {
		c.do(&op{verb: doRenamed, key: key})
	}
}

// writeOver makes a conditional write over what the client has read last, however
// long ago. If it has read nothing, it reads.
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

// write stores a record that was of a subject before.
func (c *client) write(o *op, subject string) {
	if c.g.writes(o); o.subject != subject {
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

// key returns one that clients may know: mostly one of the last.
func (g *group) key() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	last := min(len(g.keys), 3)
	if rand.IntN(4) == 0 {
		last = len(g.keys)
	}
	return g.keys[len(g.keys)-1-rand.IntN(last)]
}

// freshKey returns one that no other client will know before its record is there.
func (g *group) freshKey() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.named++
	return fmt.Sprintf("%skey-%d", g.name, g.named)
}

// writes completes a call that stores a record.
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

// subject returns the first subject of the group mostly, sometimes another or none.
func (g *group) subject(n int) string {
	switch n {
	case 2:
		return g.name + "bob"
	case 3:
		return ""
	}
	return g.name + "ann"
}

// expiry returns a time to expire: no two are the same, so that who reads a record
// can tell which Touch it has seen. One of four comes during the history.
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

// sweep removes what has expired, for as long as the clients are at it.
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
