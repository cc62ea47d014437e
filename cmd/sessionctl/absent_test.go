package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/testserver"
)

// commands returns every command that reads or changes an existing backend.
func commands() [][]string {
	return [][]string{
		{"list"}, {"list", "--subject", "ada"}, {"count"}, {"count", "--subject", "ada"}, {"show", strings.Repeat("k", 43)},
		{"end", strings.Repeat("k", 43)}, {"end", "--subject", "ada"}, {"end", "--all", "--yes"}, {"end", "--sealed-under", number1, "--yes"},
		{"sweep"}, {"ping"}, {"check"}, {"reseal"},
		{"copy", "--to-driver", "memcache", "--to-dsn", "127.0.0.1:1"},
		{"move", "--yes", "--to-driver", "memcache", "--to-dsn", "127.0.0.1:1"},
	}
}

// If the backend does not exist, commands fail and create nothing.
func TestMissingBackend(t *testing.T) {
	configure(t, secret1)
	t.Run("file", func(t *testing.T) {
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		for _, b := range []backend{
			{"sqlite", "file:" + at("typo.db")},
			{"sqlite", at("typo.db")},
			{"sqlite", "file:" + at("typo.db") + "?mode=rwc&_journal=DELETE"},
			{"migrate", "stage=move&new=sqlite:file:" + at("new.db") + "&old=sqlite:file:" + at("old.db")},
			{"migrate", "stage=prepare&new=sqlite:file:" + at("new.db") + "&old=sqlite:file:" + at("old.db")},
		} {
			for _, args := range commands() {
				b.fails(t, "nothing was created", args...)
			}
		}
		t.Setenv("SESSION_SECRETS", "")
		ended := backend{"cookie", "secret=" + strings.Repeat("A", 43) + "&revocations=sqlite:file:" + at("ended.db")}
		ended.fails(t, "nothing was created", "ping")
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	})
	t.Run("table", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "shop.db")
		names := sql.Drivers()
		name := names[slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "sqlite") })]
		db, err := sql.Open(name, path) // the SQL driver of drivers/sqlite, whose name depends on cgo
		require.NoError(t, err)
		_, err = db.Exec("CREATE TABLE orders (id INTEGER)")
		require.NoError(t, err)
		require.NoError(t, db.Close())
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, args := range commands() {
			backend{"sqlite", path}.fails(t, "no sessions can be read here", args...)
		}
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after)
	})
	t.Run("table on a server", func(t *testing.T) {
		for _, b := range []backend{onPostgres(t), onMariaDB(t)} {
			for _, args := range commands() {
				b.fails(t, "no sessions can be read here, and nothing was created", args...)
			}
		}
	})
	t.Run("collection", func(t *testing.T) {
		b := backend{"mongo", testserver.StartMongo(t).DSN("typo", "")}
		for _, args := range commands() {
			b.fails(t, "there are no sessions here", args...)
		}
	})
}

// fails runs the command and expects exit code 1, an error with this text, and no output.
func (b backend) fails(t *testing.T, wantErr string, args ...string) {
	t.Helper()
	got := b.run(t, "", args...)
	require.Equal(t, exitFailed, got.code, "%v: %s", args, got.err)
	require.Contains(t, got.err, wantErr, args)
	require.Empty(t, got.out, args)
}
