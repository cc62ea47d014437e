package main

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// watch counts what users see while a fault lasts and in the time after it.
type watch struct {
	mu sync.Mutex // guards what follows
	seen
}

// seen has the counts of a watch.
type seen struct {
	requests    int
	unavailable int // answers of 503
	failed      int // answers that are another error
	unanswered  int // requests that failed without an answer
	slowest     time.Duration
	healed      time.Time     // when the fault ended; zero while it lasts
	back        time.Duration // from then to the last failed answer
}

// note counts an answer, unless the client went away by itself.
func (w *watch) note(r *request, got answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if got.abandoned {
		return
	}
	w.requests++
	w.slowest = max(w.slowest, got.at.Sub(r.sent))
	switch got.status {
	case http.StatusOK, http.StatusConflict, http.StatusForbidden: // the model checks them
		return
	case http.StatusServiceUnavailable:
		w.unavailable++
	case 0:
		w.unanswered++
	default:
		w.failed++
	}
	if !w.healed.IsZero() {
		w.back = max(w.back, got.at.Sub(w.healed))
	}
}

// heal notes that the fault has ended.
func (w *watch) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.healed = time.Now()
}

// take returns the counts and resets them.
func (w *watch) take() seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen
	w.seen = seen{}
	return s
}

// counter makes unique names.
type counter struct{ n atomic.Int64 }

func (c *counter) next() string { return "s" + strconv.FormatInt(c.n.Add(1), 36) }
