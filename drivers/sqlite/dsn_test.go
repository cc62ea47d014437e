package sqlite

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
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

// open opens a store, and closes it when the test ends.
func open(t testing.TB, dsn string) driver.Store {
	t.Helper()
	s, err := Driver{}.Open(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// parseDSN makes relative names absolute, and tells which files the store may create.
func TestDSN(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	t.Chdir(dir)
	in := func(name string) string {
		return "file://" + (&url.URL{Path: dir + "/" + name}).EscapedPath() + "?"
	}
	for dsn, want := range map[string]struct {
		path, uri string
		creates   bool
	}{
		"s.db":                        {dir + "/s.db", in("s.db"), true},
		"/dir/s.db":                   {"/dir/s.db", "file:///dir/s.db?", true},
		"//dir/s.db":                  {"//dir/s.db", "file:////dir/s.db?", true},
		"../s.db":                     {dir + "/../s.db", in("../s.db"), true},
		"a b#c%.db":                   {dir + "/a b#c%.db", in("a b#c%.db"), true},
		"a:b.db":                      {dir + "/a:b.db", in("a:b.db"), true},
		"file:s.db":                   {dir + "/s.db", in("s.db"), true},
		"file:%73%2edb":               {dir + "/s.db", in("s.db"), true},
		"file:a%20b%3F.db":            {dir + "/a b?.db", in("a b?.db"), true},
		"file:///dir/s.db":            {"/dir/s.db", "file:///dir/s.db?", true},
		"file:///dir/%2e%2e/s.db":     {"/dir/../s.db", "file:///dir/../s.db?", true},
		"file://localhost/dir/s.db":   {"/dir/s.db", "file:///dir/s.db?", true},
		"s.db?mode=ro":                {dir + "/s.db", in("s.db"), false},
		"s.db?mode=rw":                {dir + "/s.db", in("s.db"), false},
		"s.db?mode=rwc":               {dir + "/s.db", in("s.db"), true},
		"s.db?immutable=1":            {dir + "/s.db", in("s.db"), false},
		"s.db?immutable=0":            {dir + "/s.db", in("s.db"), true},
		"s.db?vfs=unix":               {dir + "/s.db", in("s.db"), true},
		"s.db?cache=shared":           {dir + "/s.db", in("s.db"), true},
		"s.db?_query_only=1":          {dir + "/s.db", in("s.db"), false},
		":memory:":                    {"", "file::memory:?", false},
		"file::memory:":               {"", "file::memory:?", false},
		"file:name?mode=memory":       {"", "file::memory:?", false},
		"s.db?table=t&id_column=key":  {dir + "/s.db", in("s.db"), true},
		"s.db?data_column=data_of_it": {dir + "/s.db", in("s.db"), true},
	} {
		d, err := parseDSN(dsn)
		require.NoError(t, err, "parseDSN(%q)", dsn)
		require.Equal(t, want.path, d.path, "path of %q", dsn)
		require.Equal(t, want.creates, d.creates, "creates of %q", dsn)
		require.True(t, strings.HasPrefix(d.uri, want.uri), "uri of %q = %s; want the prefix %s", dsn, d.uri, want.uri)
		require.NotContains(t, d.uri, "&table=")
		require.NotContains(t, d.uri, "_column=")
		require.NotContains(t, d.uri, "rwc", "uri, by which SQLite would create the file")
	}

	for param, wants := range map[string][]string{
		"":                    {"_journal_mode=WAL", "_synchronous=NORMAL", "_busy_timeout=20", "_txlock=immediate", "_secure_delete=on"},
		"?_sync=FULL":         {"_sync=FULL"},
		"?_synchronous=FULL":  {"_synchronous=FULL"},
		"?_timeout=1":         {"_timeout=1"},
		"?_journal=DELETE":    {"_journal=DELETE"},
		"?_secure_delete=off": {"_secure_delete=off"},
		"?immutable=0":        {"_journal_mode=WAL"},
		"?_query_only=off":    {"_journal_mode=WAL"},
	} {
		d, err := parseDSN("s.db" + param)
		require.NoError(t, err)
		for _, want := range wants {
			require.Contains(t, d.uri, want)
		}
		if param != "" {
			name, _, _ := strings.Cut(param[1:], "=")
			aliases := map[string]string{"_sync": "_synchronous", "_timeout": "_busy_timeout", "_journal": "_journal_mode"}
			if other := aliases[name]; other != "" {
				require.NotContains(t, d.uri, other+"=", "uri of a DSN that gives the parameter by another name")
			}
		}
	}
}

func TestBadDSN(t *testing.T) {
	for dsn, want := range map[string]string{
		"":                                      "names no file",
		"file:":                                 "names no file",
		"file://":                               "names no file",
		"file://localhost":                      "names no file",
		"?table=t":                              "names no file",
		"canary/":                               "names a directory",
		"file:canary/":                          "names a directory",
		"/":                                     "names a directory",
		"s.db?%zz":                              "malformed",
		"file:%zz":                              "malformed",
		"file:s.db#fragment":                    "malformed",
		"file:canary%00.db":                     "zero byte",
		"can\x00ary.db":                         "zero byte",
		"file://elsewhere/s.db":                 "another host",
		"file://canary:canary@host/s.db":        "another host",
		"sqlite://canary.db":                    "not a file: URI",
		"sqlite:canary.db":                      "not a file: URI",
		"sqlite3:canary.db":                     "not a file: URI",
		"SQLite:///canary.db":                   "not a file: URI",
		"FILE:canary.db":                        "not a file: URI",
		"mongodb://canary:canary@host":          "not a file: URI",
		"s.db?_buzy_timeout=1":                  "unknown DSN parameter; the parameters are _auto_vacuum, ",
		"s.db?canary=x":                         "unknown DSN parameter",
		"s.db?Mode=ro":                          "unknown DSN parameter",
		"s.db?modeof=canary":                    "unknown DSN parameter",
		"s.db?_auth_pass=canary":                "unknown DSN parameter",
		"s.db?_sync=FULL&_sync=OFF":             "_sync is given more than once",
		"s.db?table=a&table=b":                  "table is given more than once",
		"s.db?_timeout=5&_busy_timeout=20":      "_busy_timeout and _timeout are the same",
		"s.db?_sync=FULL&_synchronous=FULL":     "_synchronous and _sync are the same",
		"s.db?_fk=1&_foreign_keys=0":            "_foreign_keys and _fk are the same",
		"s.db?table=":                           "table has no value",
		"s.db?mode":                             "mode has no value",
		"s.db?table=sessions_schema":            "ends in _schema",
		"s.db?table=sqlite_sessions":            "begins with sqlite_",
		"s.db?table=SQLite_sessions":            "begins with sqlite_",
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
		":memory:?mode=ro":                      "can't be written to",
		":memory:?_query_only=1":                "can't be written to",
		":memory:?immutable=1":                  "can't be written to",
		"s.db?mode=memory&_query_only=on":       "can't be written to",
		"s.db?nolock=1":                         "no WAL",
		"s.db?vfs=unix-none":                    "no WAL",
		"s.db?vfs=unix-dotfile&_journal=wal":    "no WAL",
		"s.db?immutable=1&mode=rwc":             "immutable is for files that are never changed",
	} {
		_, err := Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, "Open(%q)", dsn)
		require.NotContains(t, err.Error(), "canary")
	}
}

// Open fails for an invalid value of a parameter, with an error that does not quote the value.
func TestBadParameters(t *testing.T) {
	for name, values := range map[string][]string{
		"_auto_vacuum":              {"3", "incr", "canary"},
		"_vacuum":                   {"canary"},
		"_busy_timeout":             {"canary", "-1", "1s", "1.5", "9999999999", "0x10"},
		"_timeout":                  {"canary", "-1"},
		"_cache_size":               {"canary", "1k", "99999999999"},
		"_case_sensitive_like":      {"canary", "2"},
		"_cslike":                   {"canary"},
		"_defer_fk":                 {"canary"},
		"_defer_foreign_keys":       {"canary"},
		"_fk":                       {"canary", "ja"},
		"_foreign_keys":             {"canary"},
		"_ignore_check_constraints": {"canary"},
		"_journal":                  {"canary", "off", "OFF"},
		"_journal_mode":             {"canary", "WAL2"},
		"_loc":                      {"canary", "../../etc/passwd"},
		"_locking":                  {"canary"},
		"_locking_mode":             {"canary", "shared"},
		"_mutex":                    {"canary", "serialized"},
		"_query_only":               {"canary"},
		"_recursive_triggers":       {"canary"},
		"_rt":                       {"canary"},
		"_secure_delete":            {"canary"},
		"_stmt_cache_size":          {"canary", "-1", "1000000000000"},
		"_sync":                     {"canary", "4"},
		"_synchronous":              {"canary"},
		"_txlock":                   {"canary"},
		"_writable_schema":          {"canary"},
		"cache":                     {"canary", "SHARED", "Private"},
		"immutable":                 {"canary", "2"},
		"mode":                      {"canary", "RO", "Rwc", "r"},
		"nolock":                    {"canary"},
		"psow":                      {"canary"},
		"vfs":                       {"canary", "UNIX", "memdb", "none"},
	} {
		for _, value := range append(values, "") {
			_, err := Driver{}.Open("s.db?" + name + "=" + url.QueryEscape(value))
			require.ErrorContains(t, err, "DSN parameter "+name+" ", "%s=%s", name, value)
			require.NotContains(t, err.Error(), "canary")
		}
	}
}

// The first use accepts each value of a parameter that Open accepts.
func TestGoodParameters(t *testing.T) {
	for name, values := range map[string][]string{
		"_auto_vacuum":     {"0", "none", "FULL", "2"},
		"_timeout":         {"0", "20", "2147483647"},
		"_cache_size":      {"100", "-2000", "0"},
		"_fk":              {"on", "OFF", "yes"},
		"_journal":         {"wal", "DELETE", "truncate", "persist", "memory"},
		"_loc":             {"auto", "UTC", "Europe/Berlin"},
		"_locking":         {"normal", "EXCLUSIVE"},
		"_mutex":           {"no", "FULL"},
		"_query_only":      {"0"},
		"_rt":              {"1"},
		"_cslike":          {"1"},
		"_secure_delete":   {"fast", "OFF"},
		"_stmt_cache_size": {"0", "100"},
		"_sync":            {"0", "Normal", "extra"},
		"_txlock":          {"Deferred", "exclusive"},
		"_writable_schema": {"off"},
		"cache":            {"shared", "private"},
		"immutable":        {"0", "off"},
		"mode":             {"rwc", "memory"},
		"nolock":           {"0"},
		"psow":             {"1"},
		"vfs":              {"unix", "unix-excl"},
	} {
		if slices.Contains(withoutCounterpart, name) {
			continue
		}
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				s := open(t, filepath.Join(t.TempDir(), "s.db")+"?"+name+"="+url.QueryEscape(value))
				require.NoError(t, s.(*store).Ping(t.Context()))
				require.NoError(t, s.Create(t.Context(), record("k")))
				_, err := s.Retrieve(t.Context(), "k")
				require.NoError(t, err)
			})
		}
	}
}

// A relative name is resolved when the store is opened, not at the first use.
func TestRelativeName(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dsn := range []string{"s.db", "file:s.db"} {
		s := open(t, dsn)
		path, err := filepath.Abs("s.db")
		require.NoError(t, err)
		t.Chdir(t.TempDir())
		require.NoError(t, s.Create(t.Context(), record("k")))
		require.FileExists(t, path)
		require.NoFileExists(t, "s.db")
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

// The name of a file may contain special characters.
func TestFileNames(t *testing.T) {
	for _, dsn := range []string{"a b.db", "a#b.db", "50%.db", "a%20b.db", "käse.db", "-x.db", "file:a%3Fb.db", "file:c%23d.db"} {
		t.Chdir(t.TempDir())
		s := open(t, dsn)
		require.NoError(t, s.Create(t.Context(), record("k")), "Create in %q", dsn)
		want := strings.NewReplacer("file:", "", "%3F", "?", "%23", "#").Replace(dsn)
		_, err := os.Stat(want)
		require.NoError(t, err)
	}
}

// Open does no I/O, and the store works after a first use that failed.
func TestFirstUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	s := open(t, filepath.Join(dir, "s.db"))
	err := s.Create(t.Context(), record("k"))
	require.EqualError(t, err, "sqlite: the file can't be created: its directory does not exist")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, s.Create(t.Context(), record("k")))
}
