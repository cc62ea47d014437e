package session

import (
	"sync"
	"time"
)

// A request that was sent with an ID which a sign-in changes before the request is
// served finds nothing under it. If it were given a new session, as anybody is whose
// session has expired, the cookie of that would replace the one of the sign-in. So
// for a while the factory remembers which keys it has seen changed. It does not
// remember into what: an old ID leads nowhere.

// inFlight is how long such a request may take to arrive.
const inFlight = time.Minute

// renamedKeys are those of sessions that this process has given another ID lately.
type renamedKeys struct {
	mu    sync.Mutex // guards what follows
	since map[Key]time.Time
	order []Key // the oldest in front
}

func (r *renamedKeys) add(key Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since == nil {
		r.since = map[Key]time.Time{}
	}
	now := time.Now()
	for len(r.order) > 0 && now.Sub(r.since[r.order[0]]) > inFlight {
		delete(r.since, r.order[0])
		r.order = r.order[1:]
	}
	r.since[key] = now
	r.order = append(r.order, key)
}

func (r *renamedKeys) has(key Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, found := r.since[key]
	return found && time.Since(since) <= inFlight
}

// newOvertaken returns a session for a request that was overtaken: an empty one,
// whose changes are dropped when they are to be stored, unless they sign in.
func (f *Factory) newOvertaken() *Session {
	s := f.newSession()
	s.overtaken = true
	return s
}
