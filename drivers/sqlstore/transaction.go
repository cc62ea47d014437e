package sqlstore

import (
	"context"
	"database/sql"
)

// prepared returns the form of a prepared statement that belongs where the statement
// is executed: in a transaction, or by itself.
type prepared func(*sql.Stmt) *sql.Stmt

func byItself(stmt *sql.Stmt) *sql.Stmt { return stmt }

// within returns the form for a transaction, which it makes once per statement.
func within(tx *sql.Tx) prepared {
	known := map[*sql.Stmt]*sql.Stmt{}
	return func(stmt *sql.Stmt) *sql.Stmt {
		if known[stmt] == nil {
			known[stmt] = tx.Stmt(stmt)
		}
		return known[stmt]
	}
}

// transact executes do in a transaction. The first statement of do must be one that
// writes: SQLite refuses a transaction that reads first and is then behind another
// writer.
func (s *Store) transact(ctx context.Context, do func(in prepared) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return finish(tx, do)
}

// finish executes do in tx, and commits tx unless do fails.
func finish(tx *sql.Tx, do func(in prepared) error) error {
	returned := false
	defer func() {
		if !returned {
			abandon(tx)
		}
	}()
	err := do(within(tx))
	returned = true
	if err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// abandon ends the transaction of a statement that has panicked, so that the database
// accepts other writers. It does not call [sql.Tx.Rollback], which waits for ever: for
// database/sql the statement is still running. The pool loses the connection.
func abandon(tx *sql.Tx) {
	_, _ = tx.ExecContext(context.Background(), "ROLLBACK")
}
