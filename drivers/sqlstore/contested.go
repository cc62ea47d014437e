package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gosession.dev/session/driver"
)

// place executes w, which stores r under a key that must not be taken. oldKey is empty
// unless w moves the record from there.
func (s *Store) place(ctx context.Context, st *statements, w *write, oldKey string, r *driver.Record) error {
	rows, err := s.execute(ctx, w)
	if err == nil && rows == 0 || err != nil && s.dialect.IsDuplicate(err) {
		return s.contest(ctx, st, w, oldKey, r)
	}
	return err
}

// contest executes w once more, in a transaction that first removes an expired record
// from the new key. What the transaction then reads is certain, so there is no third
// attempt.
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

// contestIn is contest within its transaction, which is committed whatever the outcome (an
// error of package driver, or nil) and undone after an err.
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
		return driver.ErrExists, nil // another writer took the key, where the database has several
	case err != nil && s.dialect.IsDuplicate(err):
		return nil, fmt.Errorf("the key is free, but a unique constraint of the database refuses the record: %w", err)
	}
	return nil, err
}

// isTaken reports whether there is a record under key, or a mark.
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
