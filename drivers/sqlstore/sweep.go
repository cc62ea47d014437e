package sqlstore

import (
	"context"
	"database/sql"
	"time"
)

const (
	firstBatch = 50
	maxBatch   = 1000

	// batchTime is about how long a batch keeps other writers out.
	batchTime = time.Millisecond

	// rowsToCheckpoint is how many rows a sweep deletes between two checkpoints of
	// its own.
	rowsToCheckpoint = 500
)

// DeleteExpired implements [driver.Store]. It deletes marks too, and does not count
// them.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	deleted, err := s.sweep(ctx, expiredRecords)
	if err == nil {
		_, err = s.sweep(ctx, endedMarks)
	}
	return deleted, err
}

// A deletion returns the statement that deletes a batch, and the latest time that it
// deletes.
type deletion func(*statements) (stmt *sql.Stmt, until int64)

func expiredRecords(st *statements) (*sql.Stmt, int64) { return st.deleteExpired, now() }

func endedMarks(st *statements) (*sql.Stmt, int64) { return st.deleteMarks, oldestMark(now()) }

// sweep returns how many rows it deleted. Between batches it lets others write
// for as long as the last one took; how many rows are a batch follows from that
// time too.
func (s *Store) sweep(ctx context.Context, d deletion) (int, error) {
	deleted, checkpointed := 0, 0
	for batch := firstBatch; ; {
		rows, took, err := s.deleteBatch(ctx, d, batch)
		deleted += rows
		if err != nil || rows < batch {
			return deleted, err
		}
		batch = nextBatch(batch, took)
		if deleted-checkpointed >= rowsToCheckpoint {
			s.emptyLog(ctx)
			checkpointed = deleted
		}
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return deleted, ctx.Err()
		}
	}
}

func (s *Store) deleteBatch(ctx context.Context, d deletion, size int) (deleted int, took time.Duration, err error) {
	st, err := s.ready(ctx)
	if err != nil {
		return 0, 0, err
	}
	stmt, until := d(st)
	err = s.asWriter(ctx, func() error {
		start := time.Now()
		result, err := stmt.ExecContext(s.statementContext(ctx), until, size)
		took = time.Since(start)
		if err != nil {
			return err
		}
		rows, err := result.RowsAffected()
		deleted = int(rows)
		return err
	})
	return deleted, took, err
}

// nextBatch is the size of the batch after one that took that long.
func nextBatch(batch int, took time.Duration) int {
	switch {
	case took > 2*batchTime:
		return max(batch/2, 1)
	case took < batchTime/2:
		return min(batch*2, maxBatch)
	}
	return batch
}
