package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gosession.dev/session/driver"
)

// schemaVersion is the version of the table that this release creates. The store keeps it in a
// table of its own, because a place like SQLite's user_version belongs to the application.
const schemaVersion = 1

var errNotMade = errors.New("sqlstore: the store was not made by New")

// ready returns the prepared statements. Until a call has succeeded, each call creates the tables if
// necessary, and checks them.
func (s *Store) ready(ctx context.Context) (*statements, error) {
	switch {
	case s == nil || s.db == nil && s.invalid == nil:
		return nil, errNotMade
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
	if s.closed.Load() { // Close may have run before st was stored
		_ = st.close()
		return nil, driver.ErrClosed
	}
	return st, nil
}

// prepare creates the tables if they are missing. It only reads tables that exist, so that a store
// works in a read-only database.
func (s *Store) prepare(ctx context.Context) (*statements, error) {
	version, err := s.storedVersion(ctx)
	switch missing := err != nil || version == 0; {
	case missing && !driver.MayCreate(ctx):
		return nil, s.notCreated(err)
	case missing:
		version, err = s.change(ctx, s.creation())
	}
	if err != nil {
		return nil, err
	}
	if version != schemaVersion {
		return nil, &failure{text: fmt.Sprintf("sqlstore: the tables have schema version %d, and this release knows version %d: update the application", version, schemaVersion)}
	}
	var st *statements
	err = s.retry(ctx, func() (err error) {
		if err = s.check(ctx); err == nil {
			st, err = s.prepareStatements(ctx)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlstore: the check of the server and the table at first use failed: %w", s.withhold(err))
	}
	return st, nil
}

// notCreated returns the error for a call that must not create tables. cause is the error of
// reading the schema's version, or nil if the table has none.
func (s *Store) notCreated(cause error) error {
	if cause == nil {
		cause = &failure{text: "the table of the schema's version is empty"}
	}
	return fmt.Errorf("sqlstore: no sessions can be read here, and nothing was created: %w", s.withhold(cause))
}

// storedVersion returns the version of the tables, or 0 if the schema's table is empty.
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

// creation returns the statements that create all tables.
func (s *Store) creation() []string {
	return append(s.dialect.Schema(s.tables()),
		s.sql(`CREATE TABLE IF NOT EXISTS {schema} (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL)`),
		s.sql(fmt.Sprintf(`INSERT INTO {schema} (id, version) SELECT 1, %d FROM (SELECT 1 AS one) AS one WHERE NOT EXISTS (SELECT 1 FROM {schema})`, schemaVersion)),
	)
}

func (s *Store) tables() Table {
	q := s.dialect.Quote
	t := Table{
		Name:         s.qualified(""),
		ID:           q(s.names.id),
		Data:         q(s.names.data),
		ExpiresIndex: q(s.names.table + "_expires"),
		SubjectIndex: q(s.names.table + "_subject"),
		BareName:     q(s.names.table),
		JSON:         s.json,
	}
	if s.names.schema != "" {
		t.Schema = q(s.names.schema) + "."
	}
	return t
}

// qualified returns the quoted name of the table with that suffix, after the name of its schema.
func (s *Store) qualified(suffix string) string {
	name := s.dialect.Quote(s.names.table + suffix)
	if s.names.schema != "" {
		name = s.dialect.Quote(s.names.schema) + "." + name
	}
	return name
}

// change executes statements one by one, and returns the version of the tables afterwards. A
// statement that was executed before has no effect, so several processes can call change at once,
// and another process can continue where one has died.
func (s *Store) change(ctx context.Context, statements []string) (version int, err error) {
	for _, statement := range statements {
		err := s.retry(ctx, func() error {
			_, err := s.db.ExecContext(s.statementContext(ctx), statement)
			return err
		})
		if err != nil && !s.dialect.exists(err) {
			return 0, err
		}
	}
	return s.storedVersion(ctx)
}

// check executes the dialect's Check.
func (s *Store) check(ctx context.Context) error {
	if s.dialect.Check == nil {
		return nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	err = s.dialect.Check(ctx, conn, s.tables())
	return cmp.Or(err, conn.Close())
}
