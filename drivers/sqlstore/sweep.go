package sqlstore

import (
	"context"
	"time"
)

// The size of a batch, in rows.
const (
	firstBatch = 50
	maxBatch   = 1000

	// minBatch is the smallest batch. In a database of one writer, a batch blocks the other
	// writers. In other databases, a batch blocks only writers of expired sessions, and a small
	// one would need more round trips over the network.
	minBatch            = 250
	minBatchOfOneWriter = 10

	// batchTime is about how long a batch takes in the database.
	batchTime            = 10 * time.Millisecond
	batchTimeOfOneWriter = time.Millisecond

	// rowsToCheckpoint is the number of rows that a sweep deletes between two checkpoints.
	rowsToCheckpoint = 500
)

// DeleteExpired implements [driver.Store]. It also deletes expired marks, which it does not count.
func (s *Store) DeleteExpired(ctx context.Context) (int, error) {
	deleted, err := s.sweep(ctx, expiredRecords)
	if err != nil {
		return deleted, err
	}
	ended, err := s.endedMarks(ctx)
	if err == nil {
		_, err = s.sweep(ctx, ended)
	}
	return deleted, err
}

// deletion returns the values of expires in the rows to delete: greater than after, and at most until.
type deletion func() (after, until int64)

func expiredRecords() (after, until int64) { return -1, now() }

// endedMarks is the deletion of the marks that have ended, by the clock of the database.
func (s *Store) endedMarks(ctx context.Context) (deletion, error) {
	st, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	var now int64
	err = s.read(ctx, func() error { return queryRow(s.statementContext(ctx), byItself(st.clock), nil, &now) })
	return func() (after, until int64) { return -oldestMark(now) - 1, -1 }, s.explain(ctx, err)
}

// sweep deletes rows in batches, and returns their number. It measures how long a batch takes in
// the database, pauses for that time after the batch, and adapts the size of the next batch to it.
// The measure is the time of the batch minus the time of a read that finds nothing, because over a
// network most of both is the round trip.
func (s *Store) sweep(ctx context.Context, d deletion) (int, error) {
	deleted, checkpointed := 0, 0
	var roundTrip time.Duration
	for batch := max(firstBatch, s.batches().min); ; {
		rows, took, err := s.deleteBatch(ctx, d, batch)
		deleted += rows
		if err != nil || rows < batch {
			return deleted, err
		}
		if roundTrip == 0 || s.dialect.OneWriter {
			if roundTrip, err = s.roundTrip(ctx); err != nil {
				return deleted, err
			}
		}
		busy := max(took-roundTrip, 0)
		batch = s.batches().next(batch, busy)
		if deleted-checkpointed >= rowsToCheckpoint {
			s.emptyLog(ctx)
			checkpointed = deleted
		}
		select {
		case <-time.After(busy):
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
	after, until := d()
	err = s.asWriter(ctx, func() error {
		start := time.Now()
		result, err := byItself(st.deleteBatch).ExecContext(s.statementContext(ctx), after, until, size)
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

// batches is how large a batch is, and how long it takes.
type batches struct {
	min  int
	time time.Duration
}

func (s *Store) batches() batches {
	if s.dialect.OneWriter {
		return batches{minBatchOfOneWriter, batchTimeOfOneWriter}
	}
	return batches{minBatch, batchTime}
}

// next returns the size of the batch after one that was busy for that time.
func (b batches) next(size int, busy time.Duration) int {
	switch {
	case busy > 2*b.time:
		return max(size/2, b.min)
	case busy < b.time/2:
		return min(size*2, maxBatch)
	}
	return size
}
