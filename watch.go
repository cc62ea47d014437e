package session

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Done returns a channel that is closed when the session has ended, has expired,
// or was given another ID elsewhere, and when ctx is done or the factory is closed:
// for handlers that run long, such as a websocket's, which must not outlive a sign-out.
//
//	done := s.Done(r.Context())
//	for {
//		select {
//		case <-done:
//			return
//		case event := <-events:
//			...
//
// What this process ends is noticed at once, what another one ends within
// [Config].WatchInterval, by a look into the store. An outage of the store ends
// nothing. Waiting does not count as use of the session. Each call takes a
// goroutine until the channel is closed.
func (s *Session) Done(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	w := &watcher{session: s, look: make(chan struct{}, 1)}
	if !s.f.watchers.add(w) {
		close(done)
		return done
	}
	go func() {
		defer s.f.watchers.remove(w)
		defer close(done)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.f.watchers.closing, cancel)()
		for s.isAlive(ctx) {
			select {
			case <-w.look:
			case <-time.After(s.untilLook()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return done
}

// isAlive looks whether the session is there. Only ErrNotFound from the store means that it
// is not.
func (s *Session) isAlive(ctx context.Context) bool {
	s.mu.Lock()
	phase, key := s.phase, s.key
	s.mu.Unlock()
	switch phase {
	case fresh:
		return true // it was never stored
	case overtaken, lost, destroyed:
		return false
	}
	_, _, err := s.f.load(ctx, key)
	if !errors.Is(err, ErrNotFound) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == live && s.key != key // it has changed its ID itself
}

// untilLook is how long to wait before the next look: until the session may have
// expired, if that comes first.
func (s *Session) untilLook() time.Duration {
	wait := s.f.cfg.WatchInterval
	if left := s.Expires().Sub(s.f.cfg.Now()); left > 0 && left < wait {
		return left
	}
	return wait
}

// watcher waits for the end of a session.
type watcher struct {
	session *Session
	look    chan struct{} // has an element if it is to look now
}

// watchers are all watchers of a factory.
type watchers struct {
	closing context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu  sync.Mutex // guards all
	all map[*watcher]bool
}

func newWatchers() *watchers {
	ctx, cancel := context.WithCancel(context.Background())
	return &watchers{closing: ctx, cancel: cancel, all: map[*watcher]bool{}}
}

// add reports false when the factory is closed.
func (ws *watchers) add(w *watcher) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closing.Err() != nil {
		return false
	}
	ws.all[w] = true
	ws.running.Add(1)
	return true
}

func (ws *watchers) remove(w *watcher) {
	ws.mu.Lock()
	delete(ws.all, w)
	ws.mu.Unlock()
	ws.running.Done()
}

// close ends all of them and waits.
func (ws *watchers) close() {
	ws.mu.Lock()
	ws.cancel()
	ws.mu.Unlock()
	ws.running.Wait()
}

// wake has the watchers of the session of a key look now.
func (f *Factory) wake(key Key) {
	f.watchers.wake(func(s *Session) bool { return s.isUnder(key) })
}

// isUnder reports whether the session is stored under key, as far as it knows. Unlike Key
// it hashes no ID: a process may have many watchers.
func (s *Session) isUnder(key Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key != "" && s.f.keyOf(s.key) == key
}

// wake has the watchers look now whose session this process may have ended.
func (ws *watchers) wake(concerns func(*Session) bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		if !concerns(w.session) {
			continue
		}
		select {
		case w.look <- struct{}{}:
		default: // it is going to
		}
	}
}
