package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gosession.dev/session/driver"
)

// schemaVersion is the version of the tables that this release makes. It is kept in a
// table of its own: where databases have a place for it, that place belongs to the
// application. Version 1, of release 0.1, had no table of marks.
const schemaVersion = 2

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

// prepare makes the tables, or upgrades the tables of an earlier release. Tables that are up
// to date are only read: a store works in a database that is read-only.
func (s *Store) prepare(ctx context.Context) (*statements, error) {
	version, err := s.storedVersion(ctx)
	if err != nil || version == 0 {
		version, err = s.change(ctx, s.creation())
	}
	if err == nil && version == 1 {
		if version, err = s.change(ctx, s.upgrade()); err != nil {
			err = fmt.Errorf("the table %q is of schema version 1 and can't be upgraded: %w", s.names.table, err)
		}
	}
	if err != nil {
		return nil, err
	}
	if version != schemaVersion {
		return nil, fmt.Errorf("the table %q is of schema version %d, and this release knows version %d; update it", s.names.table, version, schemaVersion)
	}
	var st *statements
	err = s.retry(ctx, func() (err error) {
		st, err = s.prepareStatements(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the table %q can't be used for sessions (name another, or let it be created): %w", s.names.table, err)
	}
	return st, nil
}

// storedVersion returns 0 if the schema's table is empty.
func (s *Store) storedVersion(ctx context.Context) (version int, err error) {
	err = s.retry(ctx, func() error {
		err := s.db.QueryRowContext(s.statementContext(ctx), s.sql(`SELECT version FROM {schema}`)).Scan(&version)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return version, err
}

// creation returns the statements that make all tables.
func (s *Store) creation() []string {
	statements := append(s.dialect.Schema(s.tables()), s.dialect.MarksSchema(s.tables())...)
	return append(statements,
		s.sql(`CREATE TABLE IF NOT EXISTS {schema} (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL)`),
		s.sql(fmt.Sprintf(`INSERT INTO {schema} (id, version) SELECT 1, %d WHERE NOT EXISTS (SELECT 1 FROM {schema})`, schemaVersion)),
	)
}

// upgrade returns the statements that upgrade tables from version 1 to version 2.
func (s *Store) upgrade() []string {
	return append(s.dialect.MarksSchema(s.tables()), s.sql(`UPDATE {schema} SET version = 2 WHERE version = 1`))
}

func (s *Store) tables() Table {
	q := s.dialect.Quote
	return Table{
		Name:         q(s.names.table),
		ID:           q(s.names.id),
		Data:         q(s.names.data),
		ExpiresIndex: q(s.names.table + "_expires"),
		SubjectIndex: q(s.names.table + "_subject"),
		Marks:        q(s.names.table + "_marks"),
		RenamedIndex: q(s.names.table + "_renamed"),
	}
}

// change executes statements one by one, each of which does nothing if it has been done,
// and returns the version then: any number of processes may do so at once, and one that
// dies half-way leaves work for the next.
func (s *Store) change(ctx context.Context, statements []string) (version int, err error) {
	for _, statement := range statements {
		err := s.retry(ctx, func() error {
			_, err := s.db.ExecContext(s.statementContext(ctx), statement)
			return err
		})
		if err != nil && !s.dialect.IsDuplicate(err) {
			return 0, err
		}
	}
	return s.storedVersion(ctx)
}
