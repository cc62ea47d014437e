// Package poll checks many targets periodically with a bounded number of goroutines. It looks at
// each target when it is due, and immediately when the target is woken by one of its names. At
// any time at most 32 looks are under way, and at most one at the same target. Close ends them
// and waits for them. Package session uses it to end the contexts of sessions that were revoked
// elsewhere.
package poll

import (
	"container/heap"
	"context"
	"math"
	"sync"
	"time"
)

// A Target is checked by a [Poller].
type Target interface {
	// Look checks the target and returns how long to wait before the next look. The poller
	// never calls it for one target concurrently. ctx ends when the poller is closed.
	Look(ctx context.Context) time.Duration

	// Closed tells the target that the poller was closed and begins no more looks.
	Closed()
}

// Names are the names by which a target can be woken. An empty name wakes nothing.
type Names [2]string

// An Item holds the state that a [Poller] keeps for a target. Only the poller uses it. The zero
// Item can be added.
type Item struct {
	target   Target
	names    Names
	places   [2]int        // in the lists of these names
	hint     string        // of the last Wake
	next     time.Duration // when the next look is due, since the poller was made
	position int           // in the queue; -1 during a look
	again    bool          // look again after the current look
	removed  bool
}

// A Poller looks at its targets. Its methods are safe for concurrent use. Waking a target costs
// the same however many targets there are. A poller without targets has no goroutine.
type Poller struct {
	began   time.Time
	closing context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	changed chan struct{} // has an element if a look may have become due earlier

	mu      sync.Mutex // guards the fields below and all items
	started bool
	lists   [2]map[string][]*Item // by Names
	queue   queue
	all     map[*Item]struct{}
}

// New returns a poller without targets.
func New() *Poller {
	p := &Poller{began: time.Now(), changed: make(chan struct{}, 1), all: map[*Item]struct{}{}}
	p.closing, p.cancel = context.WithCancel(context.Background())
	for i := range p.lists {
		p.lists[i] = map[string][]*Item{}
	}
	return p
}

func (p *Poller) now() time.Duration { return time.Since(p.began) }

// Add adds a target, at which the poller looks immediately. It reports false if the poller is
// closed.
func (p *Poller) Add(it *Item, t Target, names Names) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing.Err() != nil {
		return false
	}
	if !p.started {
		p.started = true
		p.running.Go(p.poll)
	}
	it.target = t
	p.all[it] = struct{}{}
	p.nameLocked(it, names)
	p.queueLocked(it, p.now())
	return true
}

// Remove removes a target. A look at it may still be under way when Remove returns.
func (p *Poller) Remove(it *Item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, it)
	p.nameLocked(it, Names{})
	it.removed = true
	if it.position >= 0 {
		heap.Remove(&p.queue, it.position)
	}
}

// Rename replaces the names of a target.
func (p *Poller) Rename(it *Item, names Names) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nameLocked(it, names)
}

func (p *Poller) nameLocked(it *Item, names Names) {
	for i := range names {
		if names[i] != it.names[i] {
			p.delistLocked(i, it)
			it.names[i] = names[i]
			p.enlistLocked(i, it)
		}
	}
}

func (p *Poller) enlistLocked(i int, it *Item) {
	if name := it.names[i]; name != "" {
		list := p.lists[i][name]
		it.places[i] = len(list)
		p.lists[i][name] = append(list, it)
	}
}

// delistLocked moves the last item of the list to the place of it.
func (p *Poller) delistLocked(i int, it *Item) {
	name := it.names[i]
	if name == "" {
		return
	}
	list := p.lists[i][name]
	last := len(list) - 1
	list[last].places[i] = it.places[i]
	list[it.places[i]], list[last] = list[last], nil
	if p.lists[i][name] = list[:last]; last == 0 {
		delete(p.lists[i], name)
	}
}

// Wake makes the poller look now at all targets whose Names[by] is name. The look can read the hint
// with [Poller.Hint].
func (p *Poller) Wake(by int, name string, hint string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, it := range p.lists[by][name] {
		it.hint = hint
		if it.position < 0 {
			it.again = true
			continue
		}
		it.next = 0
		heap.Fix(&p.queue, it.position)
		p.signal()
	}
}

// Hint returns the hint of the last [Poller.Wake] of a target. It is cleared at the end of the
// look that the Wake has caused.
func (p *Poller) Hint(it *Item) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return it.hint
}

func (p *Poller) queueLocked(it *Item, next time.Duration) {
	it.next = next
	heap.Push(&p.queue, it)
	if it.position == 0 {
		p.signal()
	}
}

func (p *Poller) signal() {
	select {
	case p.changed <- struct{}{}:
	default: // poll has a signal that it has not received yet
	}
}

// maxLooks is the greatest number of concurrent looks.
const maxLooks = 32

// poll starts the looks that are due, until the poller is closed.
func (p *Poller) poll() {
	slots := make(chan struct{}, maxLooks)
	for {
		select {
		case slots <- struct{}{}:
		case <-p.closing.Done():
			return
		}
		it, wait := p.takeDue()
		if it != nil {
			p.running.Go(func() {
				defer func() { <-slots }()
				p.putBack(it, it.target.Look(p.closing))
			})
			continue
		}
		<-slots
		select {
		case <-p.changed:
		case <-time.After(wait):
		case <-p.closing.Done():
			return
		}
	}
}

// takeDue removes an item that is due from the queue, or returns how long to wait for the next.
func (p *Poller) takeDue() (*Item, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, math.MaxInt64
	}
	if wait := p.queue[0].next - p.now(); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&p.queue).(*Item), 0
}

// putBack puts an item back into the queue after a look.
func (p *Poller) putBack(it *Item, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if it.removed {
		return
	}
	if it.again {
		wait = 0
	} else {
		it.hint = ""
	}
	it.again = false
	now := p.now()
	p.queueLocked(it, now+min(wait, math.MaxInt64-now))
}

// Close ends the context of looks that are under way, calls Closed of all targets, and waits for
// the looks. It is idempotent.
func (p *Poller) Close() {
	p.mu.Lock()
	p.cancel()
	all := p.all
	p.all = nil
	p.mu.Unlock()
	for it := range all {
		it.target.Closed()
	}
	p.running.Wait()
}

// Len returns the number of targets. For tests, it returns more if a list still holds a target
// that was removed.
func (p *Poller) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(len(p.all), len(p.queue), len(p.lists[0]), len(p.lists[1]))
}
