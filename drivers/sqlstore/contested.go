package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gosession.dev/session/driver"
)

// place executes w, which stores r under a new key. If that key is taken, the error is ErrExists.
// If w renames the record, oldKey is its old key; otherwise oldKey is empty.
func (s *Store) place(ctx context.Context, st *statements, w *write, oldKey string, r *driver.Record) error {
	rows, err := s.execute(ctx, w)
	if err == nil && rows == 0 || isDuplicate(err) {
		return s.contest(ctx, st, w, oldKey, r)
	}
	return err
}

// contest executes w a second time, in a transaction that first removes an expired record from
// the new key. A third attempt is not necessary, because nothing changes during the transaction.
func (s *Store) contest(ctx context.Context, st *statements, w *write, oldKey string, r *driver.Record) error {
	var outcome error
	err := s.asWriter(ctx, func() error {
		ctx := s.statementContext(ctx)
		return s.transact(ctx, func(in prepared) (err error) {
			outcome, err = s.contestIn(ctx, in, st, w, oldKey, r)
			return err
		})
	})
	if err != nil {
		return err
	}
	return outcome
}

// contestIn does the work of contest within the transaction. The caller commits the transaction
// with any outcome, which is an error of package driver or nil, and rolls it back if err is not nil.
func (s *Store) contestIn(ctx context.Context, in prepared, st *statements, w *write, oldKey string, r *driver.Record) (outcome, err error) {
	at := now()
	if _, err := in(st.bury).ExecContext(ctx, r.Key, at); err != nil {
		return nil, err
	}
	if oldKey != "" {
		old, err := lookIn(ctx, in, st, oldKey)
		if err != nil {
			return nil, err
		}
		if outcome := old.check(r.Version, at); outcome != nil {
			return outcome, nil
		}
	}
	if taken, err := isTaken(ctx, in, st, r.Key, at); err != nil || taken {
		return driver.ErrExists, err
	}
	err = w.execute(ctx, in)
	switch {
	case err == nil && w.rows == 0:
		return driver.ErrExists, nil // in a database of several writers, another one took the key
	case err != nil && s.dialect.IsDuplicate(err):
		return nil, fmt.Errorf("sqlstore: a unique constraint on another column than the key refuses the record (an index of the application?): %w", s.withhold(err))
	}
	return nil, err
}

// isTaken reports whether key has a record or a mark.
func isTaken(ctx context.Context, in prepared, st *statements, key string, now int64) (bool, error) {
	r, err := lookIn(ctx, in, st, key)
	if err != nil || r.found {
		return true, err
	}
	_, err = lookForMark(ctx, in, st, key, now)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return true, err
}
