package postgres

import (
	"cmp"
	"database/sql"
	"errors"
	"strings"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/sqlstore"
)

// Store is a [driver.Store] in a table. It has all optional interfaces of package driver but
// ClientSide. Make it by [Driver.Open], [New] or [NewPool]. Its methods are safe for concurrent use.
type Store struct {
	*sqlstore.Store
	own   *sql.DB // closed with the store; nil if it is the application's
	loses string
}

var (
	_ driver.Store            = (*Store)(nil)
	_ driver.Toucher          = (*Store)(nil)
	_ driver.Pinger           = (*Store)(nil)
	_ driver.SubjectLister    = (*Store)(nil)
	_ driver.SubjectDestroyer = (*Store)(nil)
	_ driver.RenameTracker    = (*Store)(nil)
	_ driver.Lossy            = (*Store)(nil)
)

const losesUnlogged = "a crash of the PostgreSQL server empties the table of sessions, which is unlogged"

// newStore returns a store in db. If loses is empty, the options decide what the store loses.
// callContexts declares that db was opened with a connector of this package.
func newStore(db *sql.DB, o Options, loses string, callContexts bool) *Store {
	if o.Unlogged {
		loses = losesUnlogged
	}
	dialect := sqlstore.PostgreSQL
	dialect.Explain = explain
	dialect.Check = checks{o, loses != ""}.check
	if o.Unlogged {
		dialect.Schema = unloggedSchema
	}
	options := o.sqlstore()
	options.CallContexts = callContexts
	return &Store{Store: sqlstore.New(db, dialect, options), loses: loses}
}

// unloggedSchema is the Schema of a store whose sessions are unlogged. The table of the schema's
// version, which is written once, is not, so that nothing has to be created again after a crash.
func unloggedSchema(t sqlstore.Table) []string {
	statements := sqlstore.PostgreSQL.Schema(t)
	for i, statement := range statements {
		if rest, found := strings.CutPrefix(statement, "CREATE TABLE "); found {
			statements[i] = "CREATE UNLOGGED TABLE " + rest
		}
	}
	return statements
}

// Loses implements [driver.Lossy]. It returns a sentence if the table is unlogged, or if the DSN
// has synchronous_commit=off.
func (s *Store) Loses() string { return s.loses }

// Close closes the store, and the connections that the store has opened itself.
func (s *Store) Close() error {
	err := s.Store.Close()
	if s.own != nil {
		if closed := s.own.Close(); closed != nil {
			err = errors.Join(err, errors.New(cmp.Or(explain(closed), "postgres: a connection could not be closed")))
		}
	}
	return err
}

func (o Options) validate() error {
	if err := o.sqlstore().Validate(); err != nil {
		return errors.New(parameterNames.Replace(err.Error()))
	}
	return nil
}

// parameterNames replaces the names of sqlstore's options by the ones of the DSN's parameters.
var parameterNames = strings.NewReplacer(
	"sqlstore: ", "postgres: ",
	"given as table", "given as session_table",
	"given as id_column", "given as session_id_column",
	"given as data_column", "given as session_data_column",
	"id_column", "session_id_column",
	"data_column", "session_data_column",
)
