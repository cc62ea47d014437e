package session

import (
	"context"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

// Writers of one session that have met a conflict take turns, as far as they are in one
// process: each then writes once, instead of all of them again and again. A writer leaves
// the record that it has stored to the next one, which need not read it.

// turns has the turns of a factory, by the key of the session.
type turns struct {
	mu    sync.Mutex // guards byKey, and users of each
	byKey map[string]*turn
}

// turn is held by one writer of a session at a time.
type turn struct {
	users  int            // the holder and those that wait
	held   chan struct{}  // has an element while the turn is held
	record *driver.Record // what the holder before has stored, if known; the holder's
}

// take waits for the turn of a key, until a time at most. It returns nil if that has
// passed: then the writer goes on without.
func (ts *turns) take(ctx context.Context, key string, until time.Time) *turn {
	t := ts.join(key)
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case t.held <- struct{}{}:
		return t
	case <-timer.C:
	case <-ctx.Done():
	}
	ts.leave(key, t)
	return nil
}

func (ts *turns) join(key string) *turn {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.byKey[key]
	if t == nil {
		if ts.byKey == nil {
			ts.byKey = map[string]*turn{}
		}
		t = &turn{held: make(chan struct{}, 1)}
		ts.byKey[key] = t
	}
	t.users++
	return t
}

func (ts *turns) leave(key string, t *turn) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(ts.byKey, key)
	}
}

// give ends a turn. The record is what its holder has stored under the key, or nil.
func (ts *turns) give(key string, t *turn, stored *driver.Record) {
	t.record = stored
	<-t.held
	ts.leave(key, t)
}
