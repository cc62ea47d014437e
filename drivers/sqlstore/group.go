package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
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
	ctx        context.Context // of the caller, who waits
	statements []statement

	done chan struct{}
	rows int64
	err  error
}

type statement struct {
	*sql.Stmt
	args []any
}

func (w *write) execute(ctx context.Context) error {
	return w.executeAs(ctx, func(stmt *sql.Stmt) *sql.Stmt { return stmt })
}

// executeAs executes what prepared makes of the statements.
func (w *write) executeAs(ctx context.Context, prepared func(*sql.Stmt) *sql.Stmt) error {
	for _, st := range w.statements {
		var result sql.Result
		if result, w.err = prepared(st.Stmt).ExecContext(ctx, st.args...); w.err != nil {
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

// errUndone: a transaction was undone, and the write can be tried by itself.
var errUndone = errors.New("the transaction was undone")

// share executes w together with what else waits, whoever comes to do it. The error
// may be errUndone.
func (s *Store) share(w *write) {
	w.done = make(chan struct{})
	s.writes.add(w)
	for {
		select {
		case s.writer <- struct{}{}:
			s.writeGroup(w)
			<-s.writer
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

// writeGroup executes what waits, in one transaction, unless w has been executed. If
// the transaction can't begin, only who wanted it gets to know.
func (s *Store) writeGroup(w *write) {
	select {
	case <-w.done:
		return
	default:
	}
	if s.crowded.Load() {
		runtime.Gosched() // those who are about to write had better join
	}
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
	s.crowded.Store(len(group) > 1)
	err = s.commit(tx, group)
	s.committed()
	for _, w := range group {
		w.err = err
		close(w.done)
	}
}

// commit executes a group. If one of it fails, the transaction is undone, and the
// error is errUndone: each may then find his own.
func (s *Store) commit(tx *sql.Tx, group []*write) error {
	prepared := prepareIn(tx)
	for _, w := range group {
		if w.executeAs(s.statementContext(w.ctx), prepared) != nil {
			_ = tx.Rollback()
			return errUndone
		}
	}
	err := tx.Commit()
	if err != nil && s.dialect.IsBusy(err) { // with readers, where there is no WAL
		return errUndone
	}
	return err
}

// prepareIn returns what prepares statements for a transaction, each of them once.
func prepareIn(tx *sql.Tx) func(*sql.Stmt) *sql.Stmt {
	known := map[*sql.Stmt]*sql.Stmt{}
	return func(stmt *sql.Stmt) *sql.Stmt {
		if known[stmt] == nil {
			known[stmt] = tx.Stmt(stmt)
		}
		return known[stmt]
	}
}
