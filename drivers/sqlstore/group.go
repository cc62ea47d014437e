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

// writes are the writes that wait for a transaction.
type writes struct {
	mu      sync.Mutex // guards waiting
	waiting []*write
}

// write executes its statements until one concerns a row, and after that one follow.
// Its outcome is known when done is closed.
type write struct {
	ctx        context.Context // of the caller, which waits
	statements []statement
	follow     func() statement // nil if nothing follows; otherwise the write needs a transaction

	done chan struct{}
	rows int64
	err  error
}

type statement struct {
	*sql.Stmt
	args []any
}

// execute executes w in a transaction, or a single statement by itself.
func (w *write) execute(ctx context.Context, in prepared) error {
	w.rows, w.err = 0, nil
	for _, st := range w.statements {
		if w.rows, w.err = st.execute(ctx, in); w.err != nil || w.rows > 0 {
			break
		}
	}
	if w.err == nil && w.rows > 0 && w.follow != nil {
		_, w.err = w.follow().execute(ctx, in)
	}
	return w.err
}

// execute returns how many rows were concerned.
func (st statement) execute(ctx context.Context, in prepared) (int64, error) {
	result, err := in(st.Stmt).ExecContext(ctx, st.args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
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

// share has w executed together with the other waiting writes, by the first of their
// callers that gets the writer's token. The error may be errUndone.
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

// writeGroup executes the waiting writes in one transaction, unless w has been executed,
// and then releases the writer's token. If the transaction can't begin, only w fails.
func (s *Store) writeGroup(w *write) {
	defer func() { <-s.writer }()
	select {
	case <-w.done:
		return
	default:
	}
	if s.crowded.Load() {
		runtime.Gosched() // so that writes that are about to come join the group
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

// commit executes a group. If one of its writes fails or panics, the transaction is undone
// and the error is errUndone. Each write is then tried by itself, so that it fails, or
// panics, in the goroutine of its own caller.
func (s *Store) commit(tx *sql.Tx, group []*write) (err error) {
	defer func() {
		if recover() != nil {
			err = errUndone
		}
	}()
	err = finish(tx, func(in prepared) error {
		for _, w := range group {
			if w.execute(s.statementContext(w.ctx), in) != nil {
				return errUndone
			}
		}
		return nil
	})
	if err != nil && s.dialect.IsBusy(err) { // with readers, where there is no WAL
		return errUndone
	}
	return err
}
