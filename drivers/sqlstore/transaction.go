package sqlstore

import (
	"context"
	"database/sql"
)

// query is a statement of the store.
type query struct {
	text     string
	stmt     *sql.Stmt // nil if the store does not prepare its statements
	byItself runner    // executes the query outside of transactions
}

// A runner executes a query, by itself or in a transaction.
type runner interface {
	ExecContext(ctx context.Context, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
}

// A place returns the runner of a query in one place: in a transaction, or by itself.
type place func(*query) runner

// byItself is the place outside of transactions.
func byItself(q *query) runner { return q.byItself }

// within returns the place in a transaction. It calls tx.StmtContext once per statement, which prepares
// the statement if the connection has not executed it before.
func within(ctx context.Context, tx *sql.Tx) place {
	known := map[*query]runner{}
	return func(q *query) runner {
		if known[q] == nil {
			known[q] = unprepared{tx, q.text}
			if q.stmt != nil {
				known[q] = tx.StmtContext(ctx, q.stmt)
			}
		}
		return known[q]
	}
}

// unprepared is a statement that is sent as text to in, a *sql.DB or a *sql.Tx.
type unprepared struct {
	in interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
	text string
}

func (u unprepared) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return u.in.ExecContext(ctx, u.text, args...)
}

func (u unprepared) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return u.in.QueryContext(ctx, u.text, args...)
}

// transact executes do in a transaction. The first statement of do must be a write: SQLite refuses
// the write of a transaction that has read before another writer committed.
func (s *Store) transact(ctx context.Context, do func(in place) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if s.dialect.OneWriter {
		ctx = context.WithoutCancel(ctx)
	}
	return finish(ctx, tx, do)
}

// finish executes do in tx, and commits tx unless do fails.
func finish(ctx context.Context, tx *sql.Tx, do func(in place) error) error {
	returned := false
	defer func() {
		if !returned {
			abandon(tx)
		}
	}()
	err := do(within(ctx, tx))
	returned = true
	if err != nil {
		_ = end(ctx, tx.Rollback)
		return err
	}
	return end(ctx, tx.Commit)
}

// end calls Commit or Rollback, which take no context: with some SQL drivers, such as go-sql-driver,
// they wait until the server answers. If ctx is done before, end returns, and the call continues.
func end(ctx context.Context, call func() error) error {
	if ctx.Done() == nil {
		return call()
	}
	ended := make(chan error, 1)
	go func() { ended <- call() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// abandon ends a transaction after a panic of its statement, so that the database accepts other
// writers. It can't call [sql.Tx.Rollback], which waits forever, because for database/sql the
// statement is still running. The pool loses the connection.
func abandon(tx *sql.Tx) {
	_, _ = tx.ExecContext(context.Background(), "ROLLBACK")
}
