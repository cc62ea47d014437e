package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
	"sync"
)

// A transaction of SQLite costs more than the one row that it writes. So while one write runs, the
// writes that arrive wait, and share the next transaction.

// maxGroup is the maximum number of writes in a transaction.
const maxGroup = 64

// writes is the queue of writes that wait for a transaction.
type writes struct {
	mu      sync.Mutex // guards waiting
	waiting []*write
}

// write is a write of the store. It executes its statements until one affects a row, and then
// follow.
type write struct {
	ctx        context.Context // of the caller, which waits for the write
	statements []statement
	follow     *statement // may be nil; otherwise the write needs a transaction

	// What a write leaves if it was executed: a version of the record under key.
	key     string
	version int64

	// idempotent declares that the write has the same result if it is executed twice.
	idempotent bool

	done chan struct{} // closed when rows and err are set
	rows int64         // affected by the last of statements
	err  error
}

// statement is a query with its arguments.
type statement struct {
	*query
	args []any
}

// execute executes w, in the transaction of in if there is one, and sets w.rows and w.err.
func (w *write) execute(ctx context.Context, in place) error {
	w.rows, w.err = 0, nil
	for _, st := range w.statements {
		if w.rows, w.err = st.execute(ctx, in); w.err != nil || w.rows > 0 {
			break
		}
	}
	if w.err == nil && w.rows > 0 && w.follow != nil {
		_, w.err = w.follow.execute(ctx, in)
	}
	return w.err
}

// execute returns the number of rows that st affected.
func (st statement) execute(ctx context.Context, in place) (int64, error) {
	result, err := in(st.query).ExecContext(ctx, st.args...)
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

// withdraw removes w from the queue, and reports whether w was there.
func (q *writes) withdraw(w *write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, w)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// take removes up to maxGroup writes from the queue, and returns them, oldest first.
func (q *writes) take() []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), maxGroup)
	group := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return group
}

// errUndone is the error of a write whose shared transaction was rolled back. The write can be
// executed by itself.
var errUndone = errors.New("the transaction was rolled back")

// share waits until w is executed in a transaction with other waiting writes, by the first of their
// callers that gets the writer's token. Afterwards w.err may be errUndone.
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

// writeGroup executes the waiting writes in one transaction, unless w has been executed already,
// and releases the writer's token. If the transaction can't begin, only w fails.
func (s *Store) writeGroup(w *write) {
	defer func() { <-s.writer }()
	select {
	case <-w.done:
		return
	default:
	}
	if s.crowded.Load() {
		runtime.Gosched() // so that more writes join the group
	}
	tx, err := s.begin(w)
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

// begin begins the transaction of a group. If the SQL driver panics, begin withdraws w, so that
// it is not executed later, and the panic reaches the caller of w.
func (s *Store) begin(w *write) (tx *sql.Tx, err error) {
	returned := false
	defer func() {
		if !returned {
			s.writes.withdraw(w)
		}
	}()
	err = s.retry(w.ctx, func() (err error) {
		tx, err = s.db.BeginTx(s.statementContext(w.ctx), nil)
		return err
	})
	returned = true
	return tx, err
}

// commit executes a group. If one of its writes fails or panics, commit rolls the transaction back
// and returns errUndone. Each caller then executes its own write, so that a write fails or panics
// in the goroutine of its caller.
func (s *Store) commit(tx *sql.Tx, group []*write) (err error) {
	defer func() {
		if recover() != nil {
			err = errUndone
		}
	}()
	err = finish(context.Background(), tx, func(in place) error {
		for _, w := range group {
			if w.execute(s.statementContext(w.ctx), in) != nil {
				return errUndone
			}
		}
		return nil
	})
	if err != nil && s.dialect.IsBusy(err) { // without a WAL, readers can block a commit
		return errUndone
	}
	return err
}
