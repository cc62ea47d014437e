package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

func record(key string) *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{Key: key, Data: []byte(`{"a":1}`), Created: now, Expires: now.Add(time.Hour), Subject: "ada"}
}

// open opens a store that is closed at the end of the test.
func open(t testing.TB, dsn string) driver.Store {
	t.Helper()
	s, err := Driver{}.Open(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestDSN(t *testing.T) {
	for dsn, want := range map[string]struct{ path, uri string }{
		"s.db":                        {"s.db", "file:s.db?"},
		"/dir/s.db":                   {"/dir/s.db", "file:///dir/s.db?"},
		"//dir/s.db":                  {"//dir/s.db", "file:////dir/s.db?"},
		"a b#c%.db":                   {"a b#c%.db", "file:a%20b%23c%25.db?"},
		"file:s.db":                   {"s.db", "file:s.db?"},
		"file:a%20b%3F.db":            {"a b?.db", "file:a%20b%3F.db?"},
		"file:///dir/s.db":            {"/dir/s.db", "file:///dir/s.db?"},
		"file://localhost/dir/s.db":   {"/dir/s.db", "file://localhost/dir/s.db?"},
		"s.db?mode=ro":                {"", "file:s.db?"},
		"s.db?mode=rw":                {"", "file:s.db?"},
		":memory:":                    {"", "file::memory:?"},
		"file::memory:":               {"", "file::memory:?"},
		"file:name?mode=memory":       {"", "file:name?"},
		"s.db?table=t&id_column=key":  {"s.db", "file:s.db?"},
		"s.db?_sync=FULL&_fk=1":       {"s.db", "file:s.db?"},
		"s.db?_journal=DELETE":        {"s.db", "file:s.db?"},
		"s.db?immutable=1":            {"", "file:s.db?"},
		"s.db?_timeout=100&mode=rwc":  {"s.db", "file:s.db?"},
		"s.db?_busy_timeout=10000":    {"s.db", "file:s.db?"},
		"s.db?data_column=data_of_it": {"s.db", "file:s.db?"},
	} {
		d, err := parseDSN(dsn)
		require.NoError(t, err, dsn)
		require.Equal(t, want.path, d.path, dsn)
		require.True(t, strings.HasPrefix(d.uri, want.uri), "%s: %s", dsn, d.uri)
		require.NotContains(t, d.uri, "&table=")
		require.NotContains(t, d.uri, "_column=")
	}

	for param, wantOnce := range map[string][]string{
		"":                    {"_journal_mode=WAL", "_synchronous=NORMAL", "_busy_timeout=20", "_txlock=immediate", "_secure_delete=on"},
		"?_sync=FULL":         {"_sync=FULL"},
		"?_synchronous=FULL":  {"_synchronous=FULL"},
		"?_timeout=1":         {"_timeout=1"},
		"?_journal=DELETE":    {"_journal=DELETE"},
		"?_secure_delete=off": {"_secure_delete=off"},
	} {
		d, err := parseDSN("s.db" + param)
		require.NoError(t, err)
		for _, want := range wantOnce {
			require.Contains(t, d.uri, want)
		}
		if param != "" {
			name, _, _ := strings.Cut(param[1:], "=")
			aliases := map[string]string{"_sync": "_synchronous", "_timeout": "_busy_timeout", "_journal": "_journal_mode"}
			if other := aliases[name]; other != "" {
				require.NotContains(t, d.uri, other+"=", "the DSN says otherwise")
			}
		}
	}
}

func TestBadDSN(t *testing.T) {
	for dsn, want := range map[string]string{
		"":                                      "names no file",
		"file:":                                 "names no file",
		"?table=t":                              "names no file",
		"s.db?%zz":                              "malformed",
		"file:%zz":                              "malformed",
		"file:s.db#fragment":                    "malformed",
		"file://elsewhere/s.db":                 "another host",
		"s.db?_buzy_timeout=1":                  `unknown DSN parameter "_buzy_timeout"`,
		"s.db?tabel=x":                          `unknown DSN parameter "tabel"`,
		"s.db?_auth_pass=canary":                `unknown DSN parameter "_auth_pass"`,
		"s.db?_sync=FULL&_sync=OFF":             `"_sync" is given more than once`,
		"s.db?table=a-b":                        "the name given as table",
		"s.db?table=x;DROP%20TABLE%20y":         "malformed",
		"s.db?table=x%3BDROP":                   "the name given as table",
		`s.db?table="x"`:                        "the name given as table",
		"s.db?id_column=1a":                     "the name given as id_column",
		"s.db?data_column=%00":                  "the name given as data_column",
		"s.db?id_column=Meta":                   `has a column "meta" already`,
		"s.db?data_column=expires":              `has a column "expires" already`,
		"s.db?id_column=a&data_column=A":        "the same",
		"s.db?table=" + strings.Repeat("x", 56): "the name given as table",
		"s.db?_txlock=canary":                   "takes one of: immediate deferred exclusive",
		"s.db?mode=canary":                      "takes one of: ro rw rwc memory",
		"s.db?_journal=":                        "takes one of: delete",
		"s.db?_busy_timeout=canary":             "takes a number of milliseconds",
		"s.db?_timeout=-1":                      "takes a number of milliseconds",
	} {
		_, err := Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, dsn)
		require.NotContains(t, err.Error(), "canary")
	}
}

func FuzzDSN(f *testing.F) {
	for _, dsn := range []string{"s.db", "file:///a%20b?mode=ro&table=t", "file://h/x#y", "?%zz"} {
		f.Add(dsn)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		d, err := parseDSN(dsn)
		if err != nil {
			return
		}
		require.True(t, strings.HasPrefix(d.uri, "file:"))
		require.NoError(t, d.options.Validate())
	})
}

// Any characters may be in a file's name.
func TestFileNames(t *testing.T) {
	for _, dsn := range []string{"a b.db", "a#b.db", "50%.db", "a%20b.db", "käse.db", "-x.db", "file:a%3Fb.db", "file:c%23d.db"} {
		t.Chdir(t.TempDir())
		s := open(t, dsn)
		require.NoError(t, s.Create(t.Context(), record("k")), dsn)
		want := strings.NewReplacer("file:", "", "%3F", "?", "%23", "#").Replace(dsn)
		_, err := os.Stat(want)
		require.NoError(t, err)
	}
}

// Open does no I/O, and a failed first use is tried again.
func TestFirstUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	s := open(t, filepath.Join(dir, "s.db"))
	err := s.Create(t.Context(), record("k"))
	require.EqualError(t, err, "the file can't be created: no such file or directory")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, s.Create(t.Context(), record("k")))
}
