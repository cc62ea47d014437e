package session

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"
)

// sweeper deletes expired sessions and ends orphans, every SweepInterval, until it is stopped.
// An orphan is a session whose ID no client knows; see package internal/orphans.
type sweeper struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// startSweeper starts the sweeper of f. If SweepInterval is negative, it does nothing.
func startSweeper(f *Factory) *sweeper {
	ctx, cancel := context.WithCancel(context.Background())
	sw := &sweeper{cancel: cancel, done: make(chan struct{})}
	if f.cfg.SweepInterval < 0 {
		close(sw.done)
		return sw
	}
	go func() {
		defer close(sw.done)
		f.sweep(ctx)
	}()
	return sw
}

// stop stops the sweeper and waits until it has returned.
func (sw *sweeper) stop() {
	sw.cancel()
	<-sw.done
}

func (f *Factory) sweep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(jittered(f.cfg.SweepInterval)):
		}
		f.endAllOrphans(ctx)
		_, err := f.store.DeleteExpired(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, errors.ErrUnsupported) {
			f.cfg.Logger.Warn("session: expired sessions could not be deleted; the next sweep tries again", "error", err)
		}
	}
}

// jittered returns a random duration between three and five quarters of d, so that processes that
// start together do not sweep together. d is positive.
func jittered(d time.Duration) time.Duration {
	d = min(d, math.MaxInt64/2) // so that the sum does not overflow
	return d - d/4 + rand.N(d/2+1)
}

// endOrphans ends the orphans of a subject. After an error, it keeps those that are left.
func (f *Factory) endOrphans(ctx context.Context, subject string) error {
	keys := f.orphans.Take(subject)
	for i, key := range keys {
		err := f.call(ctx, func(ctx context.Context) error { return f.store.Destroy(ctx, key) })
		if err != nil && !isGone(err) {
			for _, left := range keys[i:] {
				f.orphans.Add(subject, left)
			}
			return err
		}
	}
	return nil
}

// endAllOrphans ends the orphans of all subjects. It stops when the store fails.
func (f *Factory) endAllOrphans(ctx context.Context) {
	for _, subject := range f.orphans.Subjects() {
		if f.endOrphans(ctx, subject) != nil {
			return
		}
	}
}
