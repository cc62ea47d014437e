package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gosession.dev/session/driver"
)

// schemaVersion is that of the tables that this release makes. It is kept in a
// table beside: where databases have a place for it, that belongs to the
// application.
const schemaVersion = 1

// ready returns the statements, after it has made and checked the table if no
// call before has managed to.
func (s *Store) ready(ctx context.Context) (*statements, error) {
	switch {
	case s.closed.Load():
		return nil, driver.ErrClosed
	case s.invalid != nil:
		return nil, s.invalid
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	if st := s.table.Load(); st != nil {
		return st, nil
	}
	select {
	case s.preparing <- struct{}{}:
		defer func() { <-s.preparing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if st := s.table.Load(); st != nil {
		return st, nil
	}
	st, err := s.prepare(ctx)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	s.table.Store(st)
	if s.closed.Load() { // by a Close that has not seen st
		_ = st.close()
		return nil, driver.ErrClosed
	}
	return st, nil
}

// prepare makes the table unless there is one, which is then only looked at: a
// database that can't be written to can be read.
func (s *Store) prepare(ctx context.Context) (*statements, error) {
	version, err := s.storedVersion(ctx)
	if err != nil || version == 0 {
		if err := s.makeTable(ctx); err != nil {
			return nil, err
		}
		if version, err = s.storedVersion(ctx); err != nil {
			return nil, err
		}
	}
	if version != schemaVersion {
		return nil, fmt.Errorf("the table %q is of schema version %d, and this release knows version %d; update it", s.names.table, version, schemaVersion)
	}
	st, err := s.prepareStatements(ctx)
	if err != nil {
		return nil, fmt.Errorf("the table %q can't be used for sessions (name another, or let it be created): %w", s.names.table, err)
	}
	return st, nil
}

// storedVersion returns 0 if the schema's table is empty.
func (s *Store) storedVersion(ctx context.Context) (version int, err error) {
	err = s.retry(ctx, func() error {
		err := s.db.QueryRowContext(ctx, s.sql(`SELECT version FROM {schema}`)).Scan(&version)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return version, err
}

// makeTable works statement by statement, each of which does nothing if it has
// been done: any number of processes may do so at once, and one that dies
// half-way leaves work for the next.
func (s *Store) makeTable(ctx context.Context) error {
	q := s.dialect.Quote
	statements := s.dialect.Schema(Table{
		Name:         q(s.names.table),
		ID:           q(s.names.id),
		Data:         q(s.names.data),
		ExpiresIndex: q(s.names.table + "_expires"),
		SubjectIndex: q(s.names.table + "_subject"),
	})
	statements = append(statements,
		s.sql(`CREATE TABLE IF NOT EXISTS {schema} (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL)`),
		s.sql(fmt.Sprintf(`INSERT INTO {schema} (id, version) SELECT 1, %d WHERE NOT EXISTS (SELECT 1 FROM {schema})`, schemaVersion)),
	)
	for _, statement := range statements {
		err := s.retry(ctx, func() error {
			_, err := s.db.ExecContext(ctx, statement)
			return err
		})
		if err != nil && !s.dialect.IsDuplicate(err) {
			return err
		}
	}
	return nil
}
