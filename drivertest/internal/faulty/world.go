package faulty

import (
	"slices"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

// world is what all stores of one DSN share besides their records, for faults that have to
// remember something.
type world struct {
	lock  chan struct{} // holds one element while it is locked; unlike mu, it may be locked while time passes
	slots chan struct{} // one element for each connection in use
	state condition     // of the backend

	mu        sync.Mutex               // guards what follows
	created   map[string]driver.Record // by key, as Create or ChangeID last stored it
	destroyed map[string]bool          // keys
	renamed   map[string]string        // new keys by old
	keep      map[string]driver.Record // as a fault needs it
	busy      map[string]bool          // as a fault needs it
	subjects  map[string]epoch         // as a fault needs it
	first     map[string]uint64        // versions, by key
	open      int                      // as a fault needs it
	n         int                      // as a fault needs it
	last      uint64                   // version, as a fault needs it
	leftovers int                      // items that no method finds
	marks     map[string]keptMark      // of stores that keep their own
	pending   map[string]bool          // keys of copies that ChangeID has not completed
}

type epoch struct {
	at     time.Time
	except []string
}

// do calls f with the lock held.
func (w *world) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// everHeld reports whether there was ever a record under key.
func (w *world) everHeld(key string) (held bool) {
	w.do(func() { _, held = w.created[key] })
	return held
}

// expired returns the records that have expired by the expiry of Create or ChangeID, and that
// neither Destroy, ChangeID nor DeleteExpired has removed.
func (w *world) expired() (records []driver.Record) {
	w.do(func() {
		for key, r := range w.created {
			if !w.destroyed[key] && !time.Now().Before(r.Expires) {
				records = append(records, r)
			}
		}
	})
	return records
}

func (w *world) isExpired(key string) bool {
	return slices.ContainsFunc(w.expired(), func(r driver.Record) bool { return r.Key == key })
}

// world returns the world of a DSN.
func (d *opener) world(dsn string) *world {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.worlds == nil {
		d.worlds = map[string]*world{}
	}
	w := d.worlds[dsn]
	if w == nil {
		w = &world{
			created: map[string]driver.Record{}, destroyed: map[string]bool{}, renamed: map[string]string{},
			keep: map[string]driver.Record{}, busy: map[string]bool{}, slots: make(chan struct{}, 100),
			lock: make(chan struct{}, 1), first: map[string]uint64{}, subjects: map[string]epoch{},
			marks: map[string]keptMark{}, pending: map[string]bool{},
		}
		d.worlds[dsn] = w
	}
	return w
}
