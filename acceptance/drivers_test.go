package acceptance_test

import (
	"database/sql"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/cookie"
	"gosession.dev/session/drivers/memcache"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/drivers/migrate"
	"gosession.dev/session/drivers/mongo"
	"gosession.dev/session/drivers/mysql"
	"gosession.dev/session/drivers/postgres"
	"gosession.dev/session/drivers/redis"
	"gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/drivers/sqlstore"
)

const modulePath = "gosession.dev/session"

// The table in docs/drivers.md has a row for each driver, with its module and with the
// optional interfaces of its stores.
func TestDriversPage(t *testing.T) {
	opened := func(d driver.Driver, dsn string) driver.Store {
		s, err := d.Open(dsn)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	db, err := sql.Open(sqlDriver(), filepath.Join(t.TempDir(), "app.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	stores := map[string]driver.Store{
		"cookie":   opened(cookie.Driver{}, "secret=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE&revocations=sqlite:file:"+filepath.Join(t.TempDir(), "ended.db")),
		"memcache": opened(memcache.Driver{}, "127.0.0.1:1"),
		"memory":   opened(memory.Driver{}, t.Name()),
		"migrate":  opened(migrate.Driver{}, "stage=move&new=memory:"+t.Name()+"new&old=memory:"+t.Name()+"old"),
		"mongo":    opened(mongo.Driver{}, "mongodb://127.0.0.1:1/app"),
		"mysql":    opened(mysql.Driver{}, "user:password@tcp(127.0.0.1:1)/app"),
		"postgres": opened(postgres.Driver{}, "postgres://user:password@127.0.0.1:1/app?unlogged=true"),
		"redis":    opened(redis.Driver{}, "redis://127.0.0.1:1"),
		"sqlite":   opened(sqlite.Driver{}, "file:"+filepath.Join(t.TempDir(), "s.db")),
		"sqlstore": sqlstore.New(db, sqlstore.SQLite),
	}

	folders, err := filepath.Glob(filepath.Join(repository, "drivers", "*"))
	require.NoError(t, err)
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `"+modulePath+"/(drivers/\\w+)` \\| `(\\S+)` \\|.*\\| (.*) \\|$").FindAllStringSubmatch(read(t, "docs/drivers.md"), -1) {
		folder, module, interfaces := row[1], row[2], row[3]
		t.Run(folder, func(t *testing.T) {
			require.Equal(t, moduleOf(t, folder), module)
			store := stores[path.Base(folder)]
			require.NotNil(t, store, "no store of this driver; add one to this test")
			require.ElementsMatch(t, implemented(store), regexp.MustCompile(`[A-Z]\w+`).FindAllString(interfaces, -1))
		})
		rows = append(rows, filepath.Join(repository, folder))
	}
	require.Equal(t, folders, slices.Sorted(slices.Values(rows)))
}

// sqlDriver returns the name of the SQL driver that drivers/sqlite registers. It depends on cgo.
func sqlDriver() string {
	names := sql.Drivers()
	return names[slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "sqlite") })]
}

// moduleOf returns the path of the module that a folder of the repository belongs to.
func moduleOf(t *testing.T, folder string) string {
	t.Helper()
	for ; ; folder = path.Dir(folder) {
		if text, err := os.ReadFile(filepath.Join(repository, folder, "go.mod")); err == nil {
			line, _, _ := strings.Cut(string(text), "\n")
			return strings.TrimPrefix(line, "module ")
		}
		require.NotEqual(t, ".", folder, "no go.mod in the folder or above")
	}
}

// implemented returns the names of the optional interfaces that a store implements.
func implemented(s driver.Store) (names []string) {
	has := func(name string, ok bool) {
		if ok {
			names = append(names, name)
		}
	}
	_, ok := s.(driver.Toucher)
	has("Toucher", ok)
	_, ok = s.(driver.Pinger)
	has("Pinger", ok)
	_, ok = s.(driver.SubjectLister)
	has("SubjectLister", ok)
	_, ok = s.(driver.SubjectDestroyer)
	has("SubjectDestroyer", ok)
	_, ok = s.(driver.ClientSide)
	has("ClientSide", ok)
	_, ok = s.(driver.RenameTracker)
	has("RenameTracker", ok)
	lossy, ok := s.(driver.Lossy)
	has("Lossy", ok && lossy.Loses() != "")
	return names
}

// The versions of modules in docs/compatibility.md are those in the go.mod files.
func TestCompatibilityPage(t *testing.T) {
	var required strings.Builder
	require.NoError(t, filepath.WalkDir(repository, func(file string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Base(file) != "go.mod" {
			return err
		}
		text, err := os.ReadFile(file)
		required.Write(text)
		return err
	}))
	cited := regexp.MustCompile(`[\w./-]+/[\w./-]+ v\d[\w.-]+\b`).FindAllString(read(t, "docs/compatibility.md"), -1)
	require.GreaterOrEqual(t, len(cited), 3)
	for _, version := range cited {
		require.Contains(t, required.String(), version+"\n")
	}
}
