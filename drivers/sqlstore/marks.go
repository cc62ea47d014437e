package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gosession.dev/session/driver"
)

// A mark is the row under the old key of a renamed record. Its column expires is the negative time of
// the renaming, by the clock of the database, which all processes share: so it is no live record for
// any statement, and the primary key keeps other records from its key. Its column meta is the new key.

// oldestMark returns the time of the marks that expire now. Newer marks are live.
func oldestMark(now int64) int64 { return now - driver.MarkLifetime.Milliseconds() }

// Renamed implements [driver.RenameTracker].
func (s *Store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	st, err := s.ready(ctx)
	if err != nil {
		return driver.Rename{}, err
	}
	var r driver.Rename
	err = s.read(ctx, func() error {
		r, err = lookForMark(s.statementContext(ctx), byItself, st, key)
		return err
	})
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && r.Age >= driver.MarkLifetime:
		return driver.Rename{}, driver.ErrNotFound
	case err != nil:
		return driver.Rename{}, s.explain(ctx, err)
	}
	return r, nil
}

// lookForMark returns the mark under key, live or not. If there is none, the error is sql.ErrNoRows.
func lookForMark(ctx context.Context, in place, st *statements, key string) (driver.Rename, error) {
	var to []byte
	var age int64 // in milliseconds
	err := queryRow(ctx, in(st.renamed), []any{key}, &to, &age)
	return driver.Rename{To: string(to), Age: time.Duration(max(age, 0)) * time.Millisecond}, err // age is negative if the clock was set back
}
