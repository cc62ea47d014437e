package acceptance_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/migrate"
)

// While either backend has a record that it can't read, the key of the record is taken, at both
// stages, until Destroy.
func TestMigrateCorruptRecord(t *testing.T) {
	for _, stage := range []string{"prepare", "move"} {
		for _, which := range []string{"old", "new"} {
			t.Run(stage+"/"+which, func(t *testing.T) {
				ctx, dir := t.Context(), t.TempDir()
				file := func(name string) string { return filepath.Join(dir, name+".db") }
				s, err := migrate.Driver{}.Open("new=sqlite:" + url.PathEscape(file("new")) + "&old=sqlite:" + url.PathEscape(file("old")) + "&stage=" + stage)
				require.NoError(t, err)
				defer s.Close()
				record := func(key string) *driver.Record {
					now := time.Now().UTC().Truncate(time.Millisecond)
					return &driver.Record{Key: key, Created: now, Expires: now.Add(time.Hour)}
				}
				other := record("other")
				require.NoError(t, s.Create(ctx, other))
				require.NoError(t, s.(driver.Pinger).Ping(ctx))
				plant(t, file(which), "k")

				_, err = s.Retrieve(ctx, "k")
				require.ErrorIs(t, err, driver.ErrCorrupt)
				require.ErrorIs(t, s.Create(ctx, record("k")), driver.ErrExists)
				moved := *other
				moved.Key = "k"
				require.ErrorIs(t, s.ChangeID(ctx, "other", &moved), driver.ErrExists)
				r := record("k")
				r.Version = 1
				require.ErrorIs(t, s.Flush(ctx, r), driver.ErrCorrupt)
				require.ErrorIs(t, s.(driver.Toucher).Touch(ctx, "k", r.Expires), driver.ErrCorrupt)
				for key, err := range s.Sessions(ctx) {
					require.NoError(t, err)
					require.Equal(t, "other", key)
				}
				require.NoError(t, s.Destroy(ctx, "k"))
				_, err = s.Retrieve(ctx, "k")
				require.ErrorIs(t, err, driver.ErrNotFound)
			})
		}
	}
}

// plant inserts a record that sqlite can't read.
func plant(t *testing.T, file, key string) {
	t.Helper()
	db, err := sql.Open("sqlite3", file+"?_busy_timeout=5000")
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("INSERT INTO sessions (id, data, meta, created, expires, subject, version) VALUES (?, x'', x'', 1, 'tomorrow', '', 1)", key)
	require.NoError(t, err)
}

// MaxPerSubject needs two stores that list the sessions of a subject; memcache does not.
func TestMigrateMaxPerSubjectBesideMemcache(t *testing.T) {
	for _, dsn := range []string{
		"new=memcache:127.0.0.1:1&old=memory:a&stage=prepare", "new=memcache:127.0.0.1:1&old=memory:a&stage=move",
		"new=memory:a&old=memcache:127.0.0.1:1&stage=prepare", "new=memory:a&old=memcache:127.0.0.1:1&stage=move",
	} {
		_, err := session.Config{MaxPerSubject: 3}.Open("migrate", dsn)
		require.ErrorContains(t, err, "if both of its stores can", dsn)
		f, err := session.Open("migrate", dsn)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

// Open rejects two DSNs that name the same store.
func TestMigrateSameStore(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"sqlite:a.db", "sqlite:a.db", true},
		{"sqlite:a.db", "sqlite:file:a.db", true},
		{"sqlite:a.db", "sqlite:./x/../a.db", true},
		{"sqlite:/tmp/a.db", "sqlite:file:///tmp/a.db?_synchronous=FULL", true},
		{"sqlite:/tmp/a.db", "sqlite:file://localhost/tmp/a%2Edb", true},
		{"sqlite:a.db", "sqlite:a.db?table=sessions", true},
		{"sqlite:a.db?table=a", "sqlite:a.db?table=b", false},
		{"sqlite::memory:", "sqlite::memory:", false},
		{"sqlite:a.db", "sqlite:b.db", false},
		{"memcache:h1:1,h2:1", "memcache:H2:1,h1:1?timeout=1s", true},
		{"memcache:h1:1", "memcache:h1:1?prefix=sess:", true},
		{"memcache:h1:1", "memcache:h1:1?prefix=other:", false},
		{"mongo:mongodb://u:p@h1,h2/db", "mongo:mongodb://h2,h1/db?collection=sessions", true},
		{"mongo:mongodb://h1/db", "mongo:mongodb://h1/db2", false},
		{"mongo:mongodb://h1/db", "mongo:mongodb://h1/db?collection=others", false},
	} {
		for _, pair := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
			store, err := migrate.Driver{}.Open("new=" + url.PathEscape(pair[0]) + "&old=" + url.PathEscape(pair[1]) + "&stage=move")
			if tt.same {
				require.EqualError(t, err, "migrate: new and old are the same store; name two", pair)
				continue
			}
			require.NoError(t, err, pair)
			require.NoError(t, store.Close())
		}
	}
}
