package session

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends when its parent does, or at a time. Unlike a deadline
// of package context it sets a timer only when its end is waited for: a store in memory
// never waits, and most calls of other stores are over before a timer is of use.
type deadline struct {
	context.Context // the parent
	at              time.Time
	cause           error // of an end by the time

	mu     sync.Mutex      // guards what follows
	timer  context.Context // nil until the end is waited for
	cancel context.CancelFunc
	ended  bool
}

func (d *deadline) Deadline() (time.Time, bool) {
	if earlier, ok := d.Context.Deadline(); ok && earlier.Before(d.at) {
		return earlier, true
	}
	return d.at, true
}

func (d *deadline) Done() <-chan struct{} { return d.timed().Done() }

func (d *deadline) Err() error {
	if timer := d.begun(); timer != nil {
		return timer.Err()
	}
	if err := d.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(d.at) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value lets contexts that are derived from d find the timer, as package context
// does to cancel them with it.
func (d *deadline) Value(key any) any {
	if timer := d.begun(); timer != nil {
		return timer.Value(key)
	}
	return d.Context.Value(key)
}

// begun returns the context with the timer, if there is one. After end there is.
func (d *deadline) begun() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		d.beginLocked()
	}
	return d.timer
}

// timed returns the same context as package context has it.
func (d *deadline) timed() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.beginLocked()
	return d.timer
}

func (d *deadline) beginLocked() {
	if d.timer == nil {
		d.timer, d.cancel = context.WithDeadlineCause(d.Context, d.at, d.cause)
	}
	if d.ended {
		d.cancel()
	}
}

// end is the counterpart of a context.CancelFunc.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.timer != nil {
		d.cancel()
	}
}
