package sqlstore

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"math/rand/v2"
	"time"
)

// execute executes a write, and returns the number of rows that its statements affected. If the
// connection ends before the answer, it executes the write again, up to maxReconnects times: a
// write changes only the version that it was made for, so it changes nothing if it was executed.
func (s *Store) execute(ctx context.Context, w *write) (int64, error) {
	size := s.largeSize(w)
	if size > s.maxStatement.Load() && s.exceeds(ctx, size) {
		return 0, errStatementTooLarge
	}
	rows, err := s.executeOnce(ctx, w)
	if size > 0 && isLost(err) && s.exceeds(ctx, size) { // the limit was lowered
		return 0, errStatementTooLarge
	}
	for n := 0; isLost(err) && n < maxReconnects && ctx.Err() == nil; n++ {
		lost := err
		if rows, err = s.executeOnce(ctx, w); isLost(err) {
			continue
		}
		if err == nil && rows > 0 || err != nil && !isDuplicate(err) {
			return rows, err
		}
		return s.outcome(ctx, w, lost)
	}
	if end := ended(ctx); isLost(err) && end != nil && !errors.Is(err, end) { // the connection ended a moment before ctx
		err = s.explain(ctx, err)
	}
	return rows, err
}

// outcome returns the number of rows that a write has affected, after its repetition affected none.
// If it is not known whether the write was executed, the error is lost.
func (s *Store) outcome(ctx context.Context, w *write, lost error) (int64, error) {
	switch {
	case w.idempotent:
		return 0, nil
	case w.key == "":
		return 0, lost
	}
	r, err := s.look(ctx, s.table.Load(), w.key)
	switch {
	case err != nil:
		return 0, err
	case r.version.V == w.version:
		return 1, nil
	case r.found && !r.taken(now()): // an expired record or mark, which only contest replaces
		return 0, nil
	}
	return 0, lost
}

// executeOnce is execute without repetition. If the dialect has OneWriter, it waits until no other
// write of the store is running.
func (s *Store) executeOnce(ctx context.Context, w *write) (int64, error) {
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
		return s.transact(ctx, func(in place) error { return w.execute(ctx, in) })
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

// maxReconnects is how often a call is repeated because its connection was bad. After a restart of
// the server, every connection of the pool is.
const maxReconnects = 8

// retry calls do again while the database is busy, until ctx is done. It also repeats a call up to
// maxReconnects times if package sql has given up after three bad connections of the pool, such as
// connections to a file that was replaced: nothing was executed then.
func (s *Store) retry(ctx context.Context, do func() error) error {
	return s.retryOn(ctx, do, isBadConn)
}

func isBadConn(err error) bool { return errors.Is(err, sqldriver.ErrBadConn) }

// read is retry for a call that only reads. It also repeats a call whose connection ended before
// the answer.
func (s *Store) read(ctx context.Context, do func() error) error {
	return s.retryOn(ctx, do, func(err error) bool { return isBadConn(err) || s.dialect.isLost(err) })
}

// retryOn calls do again while the database is busy, until ctx is done, and up to maxReconnects
// times after an error for which bad returns true.
func (s *Store) retryOn(ctx context.Context, do func() error, bad func(error) bool) error {
	for reconnects := 0; ; {
		err := s.withConnection(ctx, do)
		switch {
		case err == nil:
			return nil
		case s.dialect.IsBusy(err):
		case bad(err) && reconnects < maxReconnects:
			reconnects++
		default:
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
// if the connection that is closed last was interrupted. With Options.CallContexts, only the
// connection knows when the context ends.
func (s *Store) statementContext(ctx context.Context) context.Context {
	switch {
	case s.connections != nil:
		return hidden{ctx}
	case s.exclusive && s.dialect.OneWriter:
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// now is the time that the store compares expiries with, in Unix milliseconds.
func now() int64 { return time.Now().UnixMilli() }
