package sqlstore

import (
	"cmp"
	"context"
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

// contest executes w again, in a transaction that first removes an expired record or mark from the new key,
// until it succeeds or the key is taken by a live record. Like execute, it executes w again if the
// connection ends before the answer.
func (s *Store) contest(ctx context.Context, st *statements, w *write, oldKey string, r *driver.Record) error {
	var err, lost error
	for range maxContests {
		var outcome error
		err = s.asWriter(ctx, func() error {
			ctx := s.statementContext(ctx)
			return s.transact(ctx, func(in place) (err error) {
				outcome, err = s.contestIn(ctx, in, st, w, oldKey, r)
				return err
			})
		})
		switch {
		case isLost(err) && ctx.Err() == nil:
			lost = err
			continue
		case err == nil && outcome == nil:
			return nil
		case lost != nil: // perhaps because an earlier attempt was executed
			rows, err := s.outcome(ctx, w, lost)
			if err == nil && rows == 0 {
				err = lost
			}
			return err
		case !isDuplicate(err):
			return cmp.Or(err, outcome)
		}
		switch found, lookErr := s.look(ctx, st, r.Key); {
		case lookErr != nil:
			return lookErr
		case found.taken(now()):
			return driver.ErrExists
		}
	}
	if lost != nil {
		return lost
	}
	return fmt.Errorf("sqlstore: a unique constraint on another column than the key refuses the record (an index of the application?): %w", err)
}

// contestIn does the work of contest within the transaction. The caller commits the transaction
// with any outcome, which is an error of package driver or nil, and rolls it back if err is not nil.
func (s *Store) contestIn(ctx context.Context, in place, st *statements, w *write, oldKey string, r *driver.Record) (outcome, err error) {
	at := now()
	if _, err := in(st.bury).ExecContext(ctx, r.Key, at, -oldestMark(at)); err != nil {
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
	if taken, err := lookIn(ctx, in, st, r.Key); err != nil || taken.taken(at) {
		return driver.ErrExists, err
	}
	if err = w.execute(ctx, in); err == nil && w.rows == 0 {
		return driver.ErrExists, nil // another writer took the key
	}
	return nil, err
}
