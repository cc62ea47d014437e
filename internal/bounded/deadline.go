package bounded

import (
	"context"
	"sync"
	"time"
)

// deadline is a context that ends when its parent does, and at the latest at a given time.
// Unlike [context.WithDeadline] it starts a timer only when Done is called: a store in memory
// never calls it, and most calls of other stores end before the timer would matter.
type deadline struct {
	context.Context // the parent
	at              time.Time
	cause           error // the cause of an end at that time

	mu     sync.Mutex      // guards the fields below
	timer  context.Context // nil until Done is called
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

// Value also answers for the timer's context: package context asks for it by Value, to cancel
// contexts derived from d together with it.
func (d *deadline) Value(key any) any {
	if timer := d.begun(); timer != nil {
		return timer.Value(key)
	}
	return d.Context.Value(key)
}

// Caller returns the two ends of d: it ends with caller, and at the latest at until. A driver that
// sets until as the deadline of a connection, by [net.Conn.SetDeadline], waits for the end of caller
// instead of d, and saves a timer.
func (d *deadline) Caller() (caller context.Context, until time.Time) {
	outer, ok := d.Context.(*deadline)
	if !ok {
		return d.Context, d.at
	}
	caller, until = outer.Caller()
	if d.at.Before(until) {
		until = d.at
	}
	return caller, until
}

// begun returns the context with the timer, or nil if Done has not been called. After end it
// is never nil.
func (d *deadline) begun() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		d.beginLocked()
	}
	return d.timer
}

// timed returns the context with the timer, which it creates if necessary.
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

// end cancels d, like a [context.CancelFunc].
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.timer != nil {
		d.cancel()
	}
}
