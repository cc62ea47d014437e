//go:build cgo

package sqlstore

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
)

// A store keeps the contract with a schema's name, with a column of JSON, and without prepared
// statements.
func TestConformanceWithOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"schema":     {Table: "main.web"},
		"JSON":       {Table: "web", JSON: true},
		"unprepared": {Table: "web", Unprepared: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tgt := target(t)
			tgt.Open = func(dsn string) (driver.Store, error) { return New(openFile(t, dsn), SQLite, o), nil }
			drivertest.Run(t, tgt)
		})
	}
}

// An unprepared store prepares no statement by itself.
func TestUnprepared(t *testing.T) {
	c := &wrapped{dsn: "file:" + filepath.Join(t.TempDir(), "s.db") + "?_journal_mode=WAL"}
	db := sql.OpenDB(c)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := New(db, SQLite, Options{Unprepared: true})
	useAll(t, s, "k")
	require.Empty(t, s.table.Load().all[0].stmt)
	require.Zero(t, c.open.Load(), "statements left prepared")
	require.NoError(t, s.Ping(t.Context()))

	_, err := db.Exec(`DROP TABLE sessions; CREATE TABLE sessions (id TEXT PRIMARY KEY)`)
	require.NoError(t, err)
	require.ErrorContains(t, New(db, SQLite, Options{Unprepared: true}).Ping(t.Context()), "the table has no column")
}

// SQL can query the values in a column of JSON, but not what is sealed.
func TestJSONColumn(t *testing.T) {
	ctx := t.Context()
	db := database(t)
	s := New(db, SQLite, Options{JSON: true})
	require.NoError(t, s.Create(ctx, record("k", time.Hour)))
	sealed := record("sealed", time.Hour)
	sealed.Data = []byte("\x00\x01")
	require.NoError(t, s.Create(ctx, sealed))
	var items int
	require.NoError(t, db.QueryRow(`SELECT data ->> '$.cart.items' FROM sessions WHERE id = 'k'`).Scan(&items))
	require.Equal(t, 3, items)
	got, err := s.Retrieve(ctx, "sealed")
	require.NoError(t, err)
	require.Equal(t, sealed.Data, got.Data)
	_, err = db.Exec(`UPDATE sessions SET data = 'no JSON'`)
	require.NoError(t, err)
	_, err = s.Retrieve(ctx, "sealed")
	require.ErrorIs(t, err, driver.ErrCorrupt)
}

// The statements of DDL create the tables, also a second time.
func TestDDL(t *testing.T) {
	for _, o := range []Options{{}, {Table: "main.web", IDColumn: "key", DataColumn: "values"}} {
		db := database(t)
		statements, err := SQLite.DDL(o)
		require.NoError(t, err)
		for range 2 {
			for _, statement := range statements {
				_, err := db.Exec(statement)
				require.NoError(t, err)
			}
		}
		before := schemaOf(t, db)
		useAll(t, New(db, SQLite, o), "k")
		require.Equal(t, before, schemaOf(t, db))
	}
	_, err := SQLite.DDL(Options{Table: "a b"})
	require.ErrorContains(t, err, "the name given as table is invalid")
	_, err = Dialect{}.DDL(Options{})
	require.ErrorContains(t, err, "the dialect has no Quote")
}

// schemaOf returns the statements that have created the schema of db.
func schemaOf(t *testing.T, db *sql.DB) (text string) {
	t.Helper()
	rows, err := db.Query(`SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var statement string
		require.NoError(t, rows.Scan(&statement))
		text += statement + ";\n"
	}
	require.NoError(t, rows.Err())
	return text
}

// A name of a schema is a valid name too.
func TestSchemaNames(t *testing.T) {
	require.NoError(t, Options{Table: "web.sessions"}.Validate())
	for _, table := range []string{".sessions", "web.", "a.b.c", `web".sessions`, "web.sessions_schema", "web. sessions", "1.sessions"} {
		require.Error(t, Options{Table: table}.Validate(), "table %q", table)
	}
}
