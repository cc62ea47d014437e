package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"gosession.dev/session/driver"
)

// row is the part of a row that decides whether a write may change it.
type row struct {
	found            bool
	expires, version sql.Null[int64] // both NULL if the row is corrupt
}

// look returns the row under key. If there is none, r.found is false.
func (s *Store) look(ctx context.Context, st *statements, key string) (r row, err error) {
	err = s.read(ctx, func() error {
		r, err = lookIn(s.statementContext(ctx), byItself, st, key)
		return err
	})
	return r, s.explain(ctx, err)
}

// lookIn is look in one place.
func lookIn(ctx context.Context, in place, st *statements, key string) (r row, err error) {
	err = queryRow(ctx, in(st.look), []any{key}, &r.expires, &r.version)
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, nil
	}
	r.found = true
	return r, err
}

// missing returns ErrNotFound or ErrCorrupt, or nil if the row is a live record at the time now.
func (r row) missing(now int64) error {
	switch {
	case !r.found:
		return driver.ErrNotFound
	case !r.expires.Valid || !r.version.Valid:
		return driver.ErrCorrupt
	case r.expires.V <= now:
		return driver.ErrNotFound
	}
	return nil
}

// taken reports whether r is a live or corrupt record, or a live mark, at the time now.
func (r row) taken(now int64) bool {
	if r.expires.Valid && r.expires.V < 0 {
		return -r.expires.V > oldestMark(now)
	}
	return r.missing(now) != driver.ErrNotFound
}

// check returns ErrNotFound, ErrCorrupt or ErrConflict if a write of that version must fail, or nil.
func (r row) check(version uint64, now int64) error {
	if err := r.missing(now); err != nil {
		return err
	}
	if r.version.V != int64(version) {
		return driver.ErrConflict
	}
	return nil
}

// queryRow scans the first row of a query. If there is no row, the error is sql.ErrNoRows. If the row
// can't be scanned, the error is ErrCorrupt alone, because the error of database/sql quotes the
// value.
func queryRow(ctx context.Context, q runner, args []any, columns ...any) error {
	rows, err := q.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(columns...); err != nil {
		if rows.Err() != nil { // the context has ended, which closes rows
			return rows.Err()
		}
		return driver.ErrCorrupt
	}
	return rows.Close()
}
