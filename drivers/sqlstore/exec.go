package sqlstore

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"math/rand/v2"
	"time"
)

// exec executes a statement that writes, and returns the number of rows it affected.
func (s *Store) exec(ctx context.Context, stmt *sql.Stmt, args ...any) (int64, error) {
	return s.execute(ctx, &write{statements: []statement{{stmt, args}}})
}

// execute executes a write, and returns the number of rows that its statements affected. If the
// dialect has OneWriter, it waits until no other write of the store is running.
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

// asWriter runs write. If the dialect has OneWriter, it first waits for the other writes of the
// store: in SQLite, writers would poll the database, which is slow, unfair, and does not end with
// ctx.
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

// acquireWriter takes the writer's token.
func (s *Store) acquireWriter(ctx context.Context) error {
	select {
	case s.writer <- struct{}{}: // no other write is running, so ctx is not needed
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

// maxPause is the maximum pause between two attempts while another process writes.
const maxPause = 10 * time.Millisecond

// maxBadRetries is how often retry repeats a call that found only bad connections.
const maxBadRetries = 3

// retry calls do again while the database is busy, until ctx is done. It also repeats a call up to
// maxBadRetries times if package sql has given up after three bad connections of the pool, such as
// connections to a file that was replaced: nothing was executed then.
func (s *Store) retry(ctx context.Context, do func() error) error {
	for bad := 0; ; {
		err := do()
		again := err != nil && s.dialect.IsBusy(err)
		if errors.Is(err, sqldriver.ErrBadConn) {
			bad++
			again = bad <= maxBadRetries
		}
		if !again {
			return err
		}
		select {
		case <-time.After(rand.N(maxPause)):
		case <-ctx.Done():
			return err
		}
	}
}

// statementContext returns the context for a statement. In an exclusive store with one writer,
// that context does not end with ctx: writers wait in retry rather than in the database, so a
// statement takes less time than setting up its interruption. Also, SQLite does not remove its WAL
// if the connection that is closed last was interrupted.
func (s *Store) statementContext(ctx context.Context) context.Context {
	if s.exclusive && s.dialect.OneWriter {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// now is the time that the store compares expiries with, in Unix milliseconds.
func now() int64 { return time.Now().UnixMilli() }
