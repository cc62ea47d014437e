package acceptance_test

import (
	"context"
	"database/sql"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/migrate"
	"gosession.dev/session/internal/registry"
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
	db, err := sql.Open(sqlDriver(), file+"?_busy_timeout=5000")
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec("INSERT INTO sessions (id, data, meta, created, expires, subject, version) VALUES (?, x'', x'', 1, 'tomorrow', '', 1)", key)
	require.NoError(t, err)
}

// Sessions move from SQLite to a server and back, while processes are at both stages: no update is
// lost, and every session is in the new backend at the end.
func TestMigrateBetweenDatabases(t *testing.T) {
	type backend struct{ driver, dsn string }
	for name, newDSN := range map[string]func(*testing.T) string{"postgres": newPostgres, "mysql": newMariaDB, "redis": newRedis} {
		server := backend{name, newDSN(t)}
		for way, from := range map[string]backend{"to": {"sqlite", newFile(t)}, "from": server} {
			to := server
			if from == server {
				to = backend{"sqlite", newFile(t)}
			}
			t.Run(way+" "+name, func(t *testing.T) {
				opened := func(driver, dsn string) *session.Factory {
					f, err := patient.Open(driver, dsn)
					require.NoError(t, err)
					t.Cleanup(func() { require.NoError(t, f.Close()) })
					return f
				}
				id := created(t, opened(from.driver, from.dsn)).ID()
				var urls []string
				for _, stage := range []string{"prepare", "move"} {
					dsn := url.Values{"stage": {stage}, "new": {to.driver + ":" + to.dsn}, "old": {from.driver + ":" + from.dsn}}.Encode()
					srv := httptest.NewServer(application(opened("migrate", dsn)))
					defer srv.Close()
					urls = append(urls, srv.URL)
				}
				moved := make(chan error, 1)
				go func() { moved <- moveAll(t.Context(), to.driver, to.dsn, from.driver, from.dsn) }()
				const increments = 50
				count(t, increments, id, urls...)
				require.NoError(t, <-moved)
				require.NoError(t, moveAll(t.Context(), to.driver, to.dsn, from.driver, from.dsn))
				s, err := opened(to.driver, to.dsn).Retrieve(t.Context(), id)
				require.NoError(t, err)
				n, err := session.Get[int](s, "n")
				require.NoError(t, err)
				require.Equal(t, counters*increments, n)
				_, err = opened(from.driver, from.dsn).Retrieve(t.Context(), id)
				require.ErrorIs(t, err, session.ErrNotFound)
			})
		}
	}
}

// moveAll moves all sessions, as sessionctl move does.
func moveAll(ctx context.Context, toDriver, toDSN, fromDriver, fromDSN string) error {
	to, err := registry.Open(toDriver, toDSN)
	if err != nil {
		return err
	}
	defer to.Close()
	from, err := registry.Open(fromDriver, fromDSN)
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = migrate.Move(ctx, to, from, migrate.MoveOptions{Parallel: 2})
	return err
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
		{"postgres:postgres://u:p@h1/db", "postgres:postgresql://v:q@H1/db?sslmode=disable", true},
		{"postgres:postgres://h1/db", "postgres:postgres://h1/db?session_table=sessions", true},
		{"postgres:postgres://h1/db", "postgres:postgres://h1/db2", false},
		{"postgres:postgres://h1/db?session_table=a", "postgres:postgres://h1/db?session_table=b", false},
		{"postgres:host=h1 dbname=db", "postgres:host=h1 dbname=db", true},
		{"redis:redis://h1", "redis:redis://u:p@H1:6379/0?prefix=sess:", true},
		{"redis:redis://h1/0", "redis:rediss://h1/0", true},
		{"redis:redis://h1/0", "redis:redis://h1/1", false},
		{"redis:redis://h1", "redis:redis://h1?prefix=other:", false},
		{"redis:redis://h1", "redis:redis://h1:6380", false},
		{"redis:unix:///s", "redis:unix:///s?db=0", true},
		{"redis:unix:///s", "redis:unix:///s?db=1", false},
		{"redis:redis+sentinel://h1,h2/main", "redis:redis+sentinel://h2,h1:26379/main/0", true},
		{"redis:redis+sentinel://h1/main", "redis:redis+sentinel://h1/other", false},
		{"redis:redis+cluster://h1,h2", "redis:redis+cluster://h2,h1/0?wait=1", true},
		{"redis:redis+cluster://h1", "redis:redis+cluster://h1?prefix=other:", false},
		{"mysql:u:p@tcp(h1:3306)/db", "mysql:v:q@tcp(h1:3306)/db?timeout=1s", true},
		{"mysql:u:p@tcp(h1:3306)/db", "mysql:u:p@tcp(h1:3306)/db2", false},
		{"mysql:u:p@tcp(h1:3306)/db?session_table=a", "mysql:u:p@tcp(h1:3306)/db?session_table=b", false},
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
