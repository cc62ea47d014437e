package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"gosession.dev/session/driver"
)

// exec runs a statement that writes, and returns how many rows it concerned.
func (s *Store) exec(ctx context.Context, stmt *sql.Stmt, args ...any) (int64, error) {
	return s.execute(ctx, &write{statements: []statement{{stmt, args}}})
}

// execute runs a write, as the process's only writer if the dialect wants that, and
// returns how many rows its statements concerned.
func (s *Store) execute(ctx context.Context, w *write) (int64, error) {
	w.ctx = ctx
	if s.exclusive && s.dialect.OneWriter && (s.crowded.Load() || len(s.writer) > 0) {
		if s.share(w); w.err != errUndone {
			return w.rows, s.explain(ctx, w.err)
		}
	}
	err := s.asWriter(ctx, func() error {
		ctx := s.statementContext(ctx)
		if w.follow == nil {
			return w.execute(ctx, byItself)
		}
		return s.transact(ctx, func(in prepared) error { return w.execute(ctx, in) })
	})
	return w.rows, err
}

// asWriter runs a write when it is its turn: SQLite itself makes writers poll for
// each other, which is slow and unfair, and does not end with ctx.
func (s *Store) asWriter(ctx context.Context, write func() error) error {
	if s.dialect.OneWriter {
		if err := s.acquireWriter(ctx); err != nil {
			return err
		}
		defer func() { <-s.writer }()
	}
	defer s.committed()
	return s.explain(ctx, s.retry(ctx, write))
}

func (s *Store) acquireWriter(ctx context.Context) error {
	select {
	case s.writer <- struct{}{}: // no other write is under way, so ctx need not be watched
		return nil
	default:
	}
	select {
	case s.writer <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxPause is how long to wait at most for a writer of another process before
// trying again.
const maxPause = 10 * time.Millisecond

// retry runs do again while the database is busy with others, until ctx is done.
func (s *Store) retry(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || !s.dialect.IsBusy(err) {
			return err
		}
		select {
		case <-time.After(rand.N(maxPause)):
		case <-ctx.Done():
			return err
		}
	}
}

// explain puts an error of the database into the terms of package driver.
func (s *Store) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case s.closed.Load():
		return driver.ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	case s.dialect.IsTooLarge(err):
		return fmt.Errorf("%w: %w", driver.ErrTooLarge, err)
	}
	return err
}

// statementContext is the context of a statement. Where only this store uses the
// database, waiting is left to retry, and a statement takes less time than arranging for
// its interruption would. Besides, SQLite does not remove its log if the connection that
// is closed last was interrupted.
func (s *Store) statementContext(ctx context.Context) context.Context {
	if s.exclusive {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// now is the time by which this process judges what has expired.
func now() int64 { return time.Now().UnixMilli() }
