package sqlstore

import (
	"context"
	"database/sql"
)

// A prepared function takes a prepared statement and returns the one to execute: its copy in a
// transaction, or outside of transactions the statement itself.
type prepared func(*sql.Stmt) *sql.Stmt

// byItself is the prepared function for use outside of transactions.
func byItself(stmt *sql.Stmt) *sql.Stmt { return stmt }

// within returns the prepared function of a transaction. It calls tx.Stmt once per statement.
func within(tx *sql.Tx) prepared {
	known := map[*sql.Stmt]*sql.Stmt{}
	return func(stmt *sql.Stmt) *sql.Stmt {
		if known[stmt] == nil {
			known[stmt] = tx.Stmt(stmt)
		}
		return known[stmt]
	}
}

// transact executes do in a transaction. The first statement of do must be a write: SQLite refuses
// the write of a transaction that has read before another writer committed.
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

// abandon ends a transaction after a panic of its statement, so that the database accepts other
// writers. It can't call [sql.Tx.Rollback], which waits forever, because for database/sql the
// statement is still running. The pool loses the connection.
func abandon(tx *sql.Tx) {
	_, _ = tx.ExecContext(context.Background(), "ROLLBACK")
}
