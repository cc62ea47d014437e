package sqlstore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// By default, the writer that finds 1,000 pages in SQLite's WAL moves them into the file. Under
// load, all writers spend a quarter of their time waiting for such a checkpoint. An exclusive store
// runs the checkpoints in a goroutine beside the writers.

// commitsToCheckpoint and checkpointPause are the minimum number of commits and the minimum time
// between two checkpoints.
const (
	commitsToCheckpoint = 20
	checkpointPause     = 20 * time.Millisecond
)

// checkpointer is the state of the goroutine that runs the checkpoints.
type checkpointer struct {
	commits atomic.Int64
	due     chan struct{}
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// startCheckpoints starts the goroutine that runs the checkpoints. stopCheckpoints stops it.
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

// committed counts a commit, and requests a checkpoint when enough have been counted.
func (s *Store) committed() {
	if s.checkpoints.commits.Add(1)%commitsToCheckpoint == 0 {
		select {
		case s.checkpoints.due <- struct{}{}:
		default: // a checkpoint is due already, or the store runs none
		}
	}
}

// emptyLog empties the WAL for a caller that writes much: it runs a checkpoint beside the other
// writers, and then another as the only writer, for what they wrote meanwhile.
func (s *Store) emptyLog(ctx context.Context) {
	if s.checkpoints.due == nil {
		return
	}
	_ = s.checkpoint(ctx)
	_ = s.asWriter(ctx, func() error { return s.checkpoint(ctx) })
}

// checkpoint runs a checkpoint. The end of ctx does not interrupt it, see statementContext.
func (s *Store) checkpoint(ctx context.Context) error {
	_, err := s.db.ExecContext(s.statementContext(ctx), s.dialect.Checkpoint)
	return err
}

// makeCheckpoints runs checkpoints when they are due, until ctx ends. It ignores errors, because
// the next checkpoint does the work of one that failed.
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
