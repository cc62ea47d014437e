package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/canary"
)

// requireQuiet fails if err, or an error in its chain, contains the word canary.
func requireQuiet(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.Empty(t, canary.Shown(err, "canary"))
}

// An error of Open quotes nothing of the DSN.
func TestErrorsOfOpen(t *testing.T) {
	for _, dsn := range []string{
		"?canary", "canary/", "canary\x00", "file:canary%zz", "file:x%zz/canary", "file:s.db#canary", "file:canary#canary",
		"file://canary/s.db", "file://canary:canary@canary:1/s.db", "//canary:\x00", "canary://s.db", "CANARY://x",
		"sqlite:canary", "FILE:canary", "s.db?canary", "s.db?canary=1", "s.db?canary=canary", "s.db?%63anary=1", "s.db?mode=ro&canary",
		"s.db?CANARY=x", "s.db?_canary=x", "s.db?=canary", "s.db?;canary", "s.db?canary=%zz", "s.db?mode=canary", "s.db?mode=ro&mode=canary",
		"s.db?table=canary canary", "s.db?table=canary&table=canary", "s.db?id_column=canary-", "s.db?data_column=canary%00",
		"s.db?id_column=canary&data_column=CANARY", "s.db?table=canary&id_column=meta",
		"canary.db?immutable=1&mode=rw", "canary.db?nolock=1", "canary.db?_sync=1&_synchronous=1",
	} {
		_, err := Driver{}.Open(dsn)
		requireQuiet(t, err)
	}
}

// An error of the first use quotes nothing of the DSN or of the file.
func TestErrorsOfUse(t *testing.T) {
	root := t.TempDir()
	in := func(name string) string { return filepath.Join(root, "canary", name) }
	require.NoError(t, os.Mkdir(filepath.Join(root, "canary"), 0o700))
	require.NoError(t, os.WriteFile(in("garbage"), []byte(strings.Repeat("canary canary ", 1000)), 0o600))
	require.NoError(t, os.Symlink(in("loop"), in("loop")))
	tables := func(name, ddl string) string {
		path := in(name)
		_, err := open(t, path+"?table=other").(*store).db.Exec(ddl)
		require.NoError(t, err)
		return path + "?table=canary&id_column=canary_id&data_column=canary_data"
	}
	for name, dsn := range map[string]string{
		"no directory":    in("none/canary.db"),
		"long name":       in(strings.Repeat("canary", 100)),
		"directory":       in("."),
		"below a file":    in("garbage/s.db"),
		"no file":         in("none.db") + "?mode=rw",
		"no file to read": in("none.db") + "?mode=ro",
		"immutable":       "file:" + in("none.db") + "?immutable=1",
		"garbage":         in("garbage"),
		"garbage to read": in("garbage") + "?mode=ro&vfs=unix",
		"loop":            in("loop"),
		"no column":       tables("a.db", `CREATE TABLE canary (canary TEXT)`),
		"no data":         tables("b.db", `CREATE TABLE canary (canary_id TEXT PRIMARY KEY, meta, created, expires, subject, version)`),
		"no key":          tables("c.db", `CREATE TABLE canary (canary_id TEXT, canary_data, meta, created, expires, subject, version)`),
		"a view":          tables("d.db", `CREATE VIEW canary AS SELECT 1 AS canary_id`),
		"a later release": tables("e.db", `CREATE TABLE canary_schema (version); INSERT INTO canary_schema VALUES (99)`),
		"a schema":        tables("f.db", `CREATE TABLE canary_schema (version); INSERT INTO canary_schema VALUES ('canary')`),
		"an index":        tables("g.db", `CREATE TABLE canary_expires (canary)`),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, dsn)
			requireQuiet(t, s.(driver.Pinger).Ping(t.Context()))
			requireQuiet(t, s.Create(t.Context(), record("k")))
			_, err := s.Retrieve(t.Context(), "k")
			requireQuiet(t, err)
			require.NotErrorIs(t, err, driver.ErrNotFound)
		})
	}
}

// Errors do not quote messages of the application's triggers and constraints.
func TestErrorsOfStatements(t *testing.T) {
	ctx := t.Context()
	s := open(t, filepath.Join(t.TempDir(), "canary.db")+"?table=canary&id_column=canary_id&data_column=canary_data")
	r := record("k")
	require.NoError(t, s.Create(ctx, r))
	_, err := s.(*store).db.Exec(`
		CREATE TRIGGER canary_insert BEFORE INSERT ON canary BEGIN SELECT RAISE(ABORT, 'canary'); END;
		CREATE TRIGGER canary_update BEFORE UPDATE ON canary BEGIN SELECT RAISE(FAIL, 'UNIQUE constraint failed: canary.canary_id'); END;
		CREATE TRIGGER canary_delete BEFORE DELETE ON canary BEGIN SELECT RAISE(ROLLBACK, 'canary'); END`)
	require.NoError(t, err)
	moved := *r
	moved.Key = "moved"
	for _, err := range []error{
		s.Create(ctx, record("l")), s.Flush(ctx, r), s.ChangeID(ctx, "k", &moved), s.Destroy(ctx, "k"),
		s.(driver.Toucher).Touch(ctx, "k", r.Expires), s.(driver.SubjectDestroyer).DestroySubject(ctx, "ada"), s.(driver.Pinger).Ping(ctx),
	} {
		requireQuiet(t, err)
	}
}
