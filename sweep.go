package session

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// sweeper deletes expired sessions now and then, until it is stopped.
type sweeper struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// startSweeper starts the sweeper of f, or one that does nothing.
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

// stop ends the sweeper and waits for it.
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
		_, err := f.store.DeleteExpired(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, errors.ErrUnsupported) {
			f.cfg.Logger.Warn("session: expired sessions could not be deleted; the next sweep tries again", "error", err)
		}
	}
}

// jittered is d give or take a quarter, so that the processes of a fleet, started
// together, do not sweep together.
func jittered(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1)
}
