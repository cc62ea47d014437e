package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gosession.dev/session/driver"
)

// insert executes w, which stores r under a new key. If that key is taken, the error is ErrExists.
// If w renames the record, oldKey is its old key; otherwise oldKey is empty.
func (s *Store) insert(ctx context.Context, st *statements, w *write, oldKey string, r *driver.Record) error {
	rows, err := s.execute(ctx, w)
	if err == nil && rows == 0 || isDuplicate(err) {
		return s.contest(ctx, st, w, oldKey, r)
	}
	return err
}

// maxContests is how often contest executes a write. Each time, another writer may take the key and
// leave it.
const maxContests = 5

// contest executes w again, in a transaction that first removes an expired record from the new key,
// until it succeeds or the key is taken by a live record.
func (s *Store) contest(ctx context.Context, st *statements, w *write, oldKey string, r *driver.Record) error {
	var err error
	for range maxContests {
		var outcome error
		err = s.asWriter(ctx, func() error {
			ctx := s.statementContext(ctx)
			return s.transact(ctx, func(in place) (err error) {
				outcome, err = s.contestIn(ctx, in, st, w, oldKey, r)
				return err
			})
		})
		if !isDuplicate(err) {
			return cmp.Or(err, outcome)
		}
		switch taken, lookErr := s.isTaken(ctx, st, r.Key); {
		case lookErr != nil:
			return s.explain(ctx, lookErr)
		case taken:
			return driver.ErrExists
		}
	}
	return fmt.Errorf("sqlstore: a unique constraint on another column than the key refuses the record (an index of the application?): %w", err)
}

// contestIn does the work of contest within the transaction. The caller commits the transaction
// with any outcome, which is an error of package driver or nil, and rolls it back if err is not nil.
func (s *Store) contestIn(ctx context.Context, in place, st *statements, w *write, oldKey string, r *driver.Record) (outcome, err error) {
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
	if err = w.execute(ctx, in); err == nil && w.rows == 0 {
		return driver.ErrExists, nil // another writer took the key
	}
	return nil, err
}

// isTaken reports whether key has a mark, or a record that has not expired.
func (s *Store) isTaken(ctx context.Context, st *statements, key string) (taken bool, err error) {
	err = s.read(ctx, func() error {
		taken, err = isTaken(s.statementContext(ctx), s.byItself, st, key, now())
		return err
	})
	return taken, err
}

// isTaken is Store.isTaken in one place.
func isTaken(ctx context.Context, in place, st *statements, key string, now int64) (bool, error) {
	r, err := lookIn(ctx, in, st, key)
	if err != nil || r.missing(now) != driver.ErrNotFound {
		return true, err
	}
	_, err = lookForMark(ctx, in, st, key, now)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return true, err
}
