package sqlstore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// SQLite moves what was written from its WAL into the file when a writer finds 1,000
// pages in the WAL; that writer then does it. Under load, all writers wait for that a
// quarter of the time. Where the database is the store's own, a goroutine does it beside
// the writers.

// commitsToCheckpoint and checkpointPause are how many commits, and how much time,
// are between two checkpoints at least.
const (
	commitsToCheckpoint = 20
	checkpointPause     = 20 * time.Millisecond
)

// checkpointer makes the checkpoints of a store.
type checkpointer struct {
	commits atomic.Int64
	due     chan struct{}
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// startCheckpoints begins what stopCheckpoints ends.
func (s *Store) startCheckpoints() {
	ctx, cancel := context.WithCancel(context.Background())
	s.checkpoints.due, s.checkpoints.cancel = make(chan struct{}, 1), cancel
	s.checkpoints.running.Go(func() { s.makeCheckpoints(ctx) })
}

func (s *Store) stopCheckpoints() {
	if s.checkpoints.cancel != nil {
		s.checkpoints.cancel()
		s.checkpoints.running.Wait()
	}
}

// committed notes that something was written.
func (s *Store) committed() {
	if s.checkpoints.commits.Add(1)%commitsToCheckpoint == 0 {
		select {
		case s.checkpoints.due <- struct{}{}:
		default: // one is due already, or the store makes none
		}
	}
}

// emptyLog makes a checkpoint before a caller that writes much goes on: first beside the
// other writers, then, for what they wrote meanwhile, without them. After that the log
// begins anew.
func (s *Store) emptyLog(ctx context.Context) {
	if s.checkpoints.due == nil {
		return
	}
	_ = s.checkpoint(ctx)
	_ = s.asWriter(ctx, func() error { return s.checkpoint(ctx) })
}

// checkpoint is not interrupted, see statementContext.
func (s *Store) checkpoint(ctx context.Context) error {
	_, err := s.db.ExecContext(s.statementContext(ctx), s.dialect.Checkpoint)
	return err
}

// makeCheckpoints makes checkpoints when they are due. One that fails does no harm: the
// next one does its work.
func (s *Store) makeCheckpoints(ctx context.Context) {
	for {
		select {
		case <-s.checkpoints.due:
			_ = s.checkpoint(ctx)
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(checkpointPause):
		case <-ctx.Done():
			return
		}
	}
}
