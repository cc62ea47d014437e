package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"sync"
)

// A transaction of SQLite costs more than the one row that it writes. So of writes
// that come at the same time, the first is done at once, and those that come
// meanwhile share the next transaction.

// maxGroup is how many writes share a transaction at most.
const maxGroup = 64

// writes are those that wait for a transaction.
type writes struct {
	mu      sync.Mutex // guards waiting
	waiting []*write
}

// write executes the first of its statements, and the next one as long as no row was
// concerned. Its outcome is known when done is closed.
type write struct {
	ctx        context.Context
	statements []statement

	done chan struct{}
	rows int64
	err  error
}

type statement struct {
	*sql.Stmt
	args []any
}

// execute executes it in a transaction, or without one if tx is nil.
func (w *write) execute(ctx context.Context, tx *sql.Tx) error {
	for _, st := range w.statements {
		if tx != nil {
			st.Stmt = tx.StmtContext(ctx, st.Stmt)
		}
		var result sql.Result
		if result, w.err = st.ExecContext(ctx, st.args...); w.err != nil {
			return w.err
		}
		if w.rows, w.err = result.RowsAffected(); w.err != nil || w.rows > 0 {
			return w.err
		}
	}
	return nil
}

func (q *writes) add(w *write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, w)
}

// withdraw takes w back, and reports whether it still could.
func (q *writes) withdraw(w *write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, w)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// take returns what has waited longest.
func (q *writes) take() []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), maxGroup)
	group := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return group
}

// writeOrShare executes w at once if nobody writes.
func (s *Store) writeOrShare(w *write) {
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
		s.executeAlone(w)
	default:
		s.share(w)
	}
}

func (s *Store) executeAlone(w *write) {
	ctx := s.statementContext(w.ctx)
	w.err = s.retry(w.ctx, func() error { return w.execute(ctx, nil) })
}

// share executes w together with what else waits, whoever comes to do it.
func (s *Store) share(w *write) {
	w.done = make(chan struct{})
	s.writes.add(w)
	for {
		select {
		case s.writer <- struct{}{}:
			s.writeGroup(w)
		case <-w.done:
			return
		case <-w.ctx.Done():
			if s.writes.withdraw(w) {
				w.err = w.ctx.Err()
				return
			}
			<-w.done
			return
		}
	}
}

// writeGroup executes what waits, in one transaction, and gives the token of the
// writer back. If the transaction can't begin, only who wanted it gets to know.
func (s *Store) writeGroup(w *write) {
	defer func() { <-s.writer }()
	var tx *sql.Tx
	err := s.retry(w.ctx, func() (err error) {
		tx, err = s.db.BeginTx(s.statementContext(w.ctx), nil)
		return err
	})
	if err != nil {
		if s.writes.withdraw(w) {
			w.err = err
			close(w.done)
		}
		return
	}
	group := s.writes.take()
	s.commit(tx, group)
	for _, w := range group {
		close(w.done)
	}
}

// commit executes a group. If one of it fails, the transaction is undone, and each
// is executed by itself, so that everybody gets his own error.
func (s *Store) commit(tx *sql.Tx, group []*write) {
	for _, w := range group {
		if w.execute(s.statementContext(w.ctx), tx) != nil {
			_ = tx.Rollback()
			s.executeEach(group)
			return
		}
	}
	switch err := tx.Commit(); {
	case err != nil && s.dialect.IsBusy(err): // with readers, where there is no WAL: nothing is done
		s.executeEach(group)
	case err != nil:
		for _, w := range group {
			w.err = err
		}
	}
}

func (s *Store) executeEach(group []*write) {
	for _, w := range group {
		s.executeAlone(w)
	}
}
