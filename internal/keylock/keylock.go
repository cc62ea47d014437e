// Package keylock provides a lock for each key. When several requests of one process conflict
// over a session, their writers take turns under its lock, so that each of them writes once
// more instead of all of them retrying again and again. A writer passes the record that it has
// stored to the next holder, which then need not read it. The locks only save work: a writer
// that does not get one in time goes on without it, and the store still detects conflicts.
package keylock

import (
	"context"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

// Locks holds a lock for each key that is in use. The zero Locks is ready to use. Its methods
// are safe for concurrent use.
type Locks struct {
	mu    sync.Mutex // guards byKey, and Lock.users
	byKey map[string]*Lock
}

// A Lock is held by one goroutine at a time.
type Lock struct {
	locks  *Locks
	key    string
	users  int            // the holder and the waiting goroutines
	held   chan struct{}  // has an element while the lock is held
	record *driver.Record // from the previous holder
}

// Acquire waits for the lock of a key. It returns nil, and the caller goes on without the lock,
// if until passes or ctx ends first.
func (ls *Locks) Acquire(ctx context.Context, key string, until time.Time) *Lock {
	l := ls.join(key)
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case l.held <- struct{}{}:
		return l
	case <-timer.C:
	case <-ctx.Done():
	}
	l.leave()
	return nil
}

func (ls *Locks) join(key string) *Lock {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.byKey[key]
	if l == nil {
		if ls.byKey == nil {
			ls.byKey = map[string]*Lock{}
		}
		l = &Lock{locks: ls, key: key, held: make(chan struct{}, 1)}
		ls.byKey[key] = l
	}
	l.users++
	return l
}

func (l *Lock) leave() {
	l.locks.mu.Lock()
	defer l.locks.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(l.locks.byKey, l.key)
	}
}

// Record returns the record that the previous holder stored, or nil if it is not known. Only the
// holder may call it.
func (l *Lock) Record() *driver.Record { return l.record }

// Release releases the lock and passes the record that its holder has stored under the key, or
// nil, to the next holder.
func (l *Lock) Release(stored *driver.Record) {
	l.record = stored
	<-l.held
	l.leave()
}
