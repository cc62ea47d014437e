package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gosession.dev/session/driver"
)

// mark is a row of the table of marks: ChangeID has renamed a record.
type mark struct {
	to  string // the new key
	age int64  // in milliseconds, by the clock of the database, which all processes share
}

// oldestMark returns the time of the marks that expire now. Newer marks are live.
func oldestMark(now int64) int64 { return now - driver.MarkLifetime.Milliseconds() }

// Renamed implements [driver.RenameTracker].
func (s *Store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	st, err := s.ready(ctx)
	if err != nil {
		return driver.Rename{}, err
	}
	var m mark
	err = s.read(ctx, func() error {
		m, err = lookForMark(s.statementContext(ctx), s.byItself, st, key, now())
		return err
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return driver.Rename{}, driver.ErrNotFound
	case err != nil:
		return driver.Rename{}, s.explain(ctx, err)
	}
	age := time.Duration(m.age) * time.Millisecond
	return driver.Rename{To: m.to, Age: max(age, 0)}, nil // age is negative if the clock was set back
}

// lookForMark returns the live mark under key. If there is none, or if key has a live record, the
// error is sql.ErrNoRows.
func lookForMark(ctx context.Context, in place, st *statements, key string, now int64) (m mark, err error) {
	err = queryRow(ctx, in(st.renamed), []any{key, driver.MarkLifetime.Milliseconds(), key, now}, &m.to, &m.age)
	return m, err
}
