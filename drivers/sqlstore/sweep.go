package sqlstore

import (
	"context"
	"database/sql"
	"time"
)

// The size of a batch, in rows.
const (
	minBatch   = 10
	firstBatch = 50
	maxBatch   = 1000

	// batchTime is about how long a batch blocks other writers.
	batchTime = time.Millisecond

	// rowsToCheckpoint is the number of rows that a sweep deletes between two checkpoints.
	rowsToCheckpoint = 500
)

// DeleteExpired implements [driver.Store]. It also deletes expired marks, which it does not count.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	deleted, err := s.sweep(ctx, expiredRecords)
	if err == nil {
		_, err = s.sweep(ctx, endedMarks)
	}
	return deleted, err
}

// deletion returns the statement that deletes a batch. It deletes rows whose time is at most until.
type deletion func(*statements) (stmt *sql.Stmt, until int64)

func expiredRecords(st *statements) (*sql.Stmt, int64) { return st.deleteExpired, now() }

func endedMarks(st *statements) (*sql.Stmt, int64) { return st.deleteMarks, oldestMark(now()) }

// sweep deletes rows in batches, and returns their number. It measures how long a batch blocks
// other writers, pauses for that time after the batch, and adapts the size of the next batch to it.
// The measure is the time of the batch minus the time of a read that finds nothing, because over a
// network most of both is the round trip.
func (s *Store) sweep(ctx context.Context, d deletion) (int, error) {
	deleted, checkpointed := 0, 0
	for batch := firstBatch; ; {
		rows, took, err := s.deleteBatch(ctx, d, batch)
		deleted += rows
		if err != nil || rows < batch {
			return deleted, err
		}
		roundTrip, err := s.roundTrip(ctx)
		if err != nil {
			return deleted, err
		}
		locked := max(took-roundTrip, 0)
		batch = nextBatch(batch, locked)
		if deleted-checkpointed >= rowsToCheckpoint {
			s.emptyLog(ctx)
			checkpointed = deleted
		}
		select {
		case <-time.After(locked):
		case <-ctx.Done():
			return deleted, ctx.Err()
		}
	}
}

// roundTrip returns the time of a statement that blocks no writer.
func (s *Store) roundTrip(ctx context.Context) (time.Duration, error) {
	st, err := s.ready(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = s.look(ctx, st, "")
	return time.Since(start), err
}

// deleteBatch deletes up to size rows. took is the time of the statement alone.
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

// nextBatch returns the size of the batch after one that blocked other writers for that time.
func nextBatch(batch int, locked time.Duration) int {
	switch {
	case locked > 2*batchTime:
		return max(batch/2, minBatch)
	case locked < batchTime/2:
		return min(batch*2, maxBatch)
	}
	return batch
}
