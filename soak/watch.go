package main

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// watch is what users see while a fault lasts and after it.
type watch struct {
	mu sync.Mutex // guards what follows
	seen
}

type seen struct {
	requests    int
	unavailable int // answered with 503
	failed      int // answered with another error
	unanswered  int
	slowest     time.Duration
	healed      time.Time     // when the fault was over
	back        time.Duration // from then to the last request that failed
}

func (w *watch) note(r *request, got answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if got.abandoned {
		return
	}
	w.requests++
	w.slowest = max(w.slowest, got.at.Sub(r.sent))
	switch got.status {
	case http.StatusOK, http.StatusConflict, http.StatusForbidden: // the books know whether that is right
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

// heal notes that the fault is over.
func (w *watch) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.healed = time.Now()
}

// take returns what was seen, and begins anew.
func (w *watch) take() seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen
	w.seen = seen{}
	return s
}

// counter makes numbers that are used once.
type counter struct{ n atomic.Int64 }

func (c *counter) next() string { return "s" + strconv.FormatInt(c.n.Add(1), 36) }
