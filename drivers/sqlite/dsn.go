package sqlite

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gosession.dev/session/drivers/sqlstore"
)

// dsn is a parsed DSN.
type dsn struct {
	path     string // of the file; "" if there is none that we could create
	inMemory bool
	uri      string // for go-sqlite3
	wal      bool   // the journal mode has to be WAL
	options  sqlstore.Options
}

// defaults are what we want of go-sqlite3. Each stands for all the names that it
// has there.
var defaults = []struct {
	names []string
	value string
}{
	{[]string{"_journal_mode", "_journal"}, "WAL"},
	{[]string{"_synchronous", "_sync"}, "NORMAL"},
	{[]string{"_busy_timeout", "_timeout"}, "20"},
	{[]string{"_txlock"}, "immediate"},
	{[]string{"_secure_delete"}, "on"},
}

// known are all parameters that go-sqlite3 and SQLite read besides.
var known = []string{
	"_auto_vacuum", "_cache_size", "_case_sensitive_like", "_cslike", "_defer_fk", "_defer_foreign_keys",
	"_fk", "_foreign_keys", "_ignore_check_constraints", "_loc", "_locking", "_locking_mode", "_mutex",
	"_query_only", "_recursive_triggers", "_rt", "_stmt_cache_size", "_vacuum", "_writable_schema",
	"cache", "immutable", "mode", "modeof", "nolock", "psow", "vfs",
}

// allowed are the values of parameters that take words, in lower case: go-sqlite3
// looks at them only when it connects.
var allowed = map[string]string{
	"_journal":       "delete truncate persist memory wal off",
	"_journal_mode":  "delete truncate persist memory wal off",
	"_secure_delete": "0 no false off 1 yes true on fast",
	"_sync":          "0 off 1 normal 2 full 3 extra",
	"_synchronous":   "0 off 1 normal 2 full 3 extra",
	"_txlock":        "immediate deferred exclusive",
	"cache":          "shared private",
	"mode":           "ro rw rwc memory",
}

func parseDSN(text string) (dsn, error) {
	name, query, _ := strings.Cut(text, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return dsn{}, errors.New("sqlite: the DSN's parameters are malformed; want FILE?name=value&name=value")
	}
	d := dsn{options: takeOptions(params)}
	if err := d.options.Validate(); err != nil {
		return dsn{}, err
	}
	if err := checkParams(params); err != nil {
		return dsn{}, err
	}
	readOnly := params.Get("mode") == "ro" || params.Has("immutable") || params.Has("_query_only")
	for _, def := range defaults {
		if def.names[0] == "_journal_mode" && readOnly {
			continue // to set it is to write
		}
		if !slices.ContainsFunc(def.names, params.Has) {
			params.Set(def.names[0], def.value)
		}
	}
	if err := d.setFile(name, params); err != nil {
		return dsn{}, err
	}
	d.wal = !d.inMemory && strings.EqualFold(params.Get("_journal_mode")+params.Get("_journal"), "WAL")
	return d, nil
}

// takeOptions takes our own parameters out of params.
func takeOptions(params url.Values) sqlstore.Options {
	take := func(name string) string {
		defer params.Del(name)
		return params.Get(name)
	}
	return sqlstore.Options{
		Exclusive:  true,
		Table:      take("table"),
		IDColumn:   take("id_column"),
		DataColumn: take("data_column"),
	}
}

func checkParams(params url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		isKnown := slices.Contains(known, name)
		for _, def := range defaults {
			isKnown = isKnown || slices.Contains(def.names, name)
		}
		switch {
		case !isKnown:
			return fmt.Errorf("sqlite: unknown DSN parameter %q; there are table, id_column, data_column, and those of go-sqlite3 and of SQLite's URIs", name)
		case len(params[name]) > 1:
			return fmt.Errorf("sqlite: DSN parameter %q is given more than once", name)
		}
		if err := checkValue(name, strings.ToLower(params.Get(name))); err != nil {
			return err
		}
	}
	return nil
}

func checkValue(name, value string) error {
	if words := allowed[name]; words != "" && !slices.Contains(strings.Fields(words), value) {
		return fmt.Errorf("sqlite: DSN parameter %q takes one of: %s", name, words)
	}
	if name == "_busy_timeout" || name == "_timeout" {
		if ms, err := strconv.Atoi(value); err != nil || ms < 0 {
			return fmt.Errorf("sqlite: DSN parameter %q takes a number of milliseconds", name)
		}
	}
	return nil
}

// setFile finds out what the name says, and makes the URI of it: a file name may
// have any characters, a URI has some of them escaped.
func (d *dsn) setFile(name string, params url.Values) error {
	rest, isURI := strings.CutPrefix(name, "file:")
	if !isURI {
		d.path = name
		rest = (&url.URL{Path: name}).EscapedPath()
		if strings.HasPrefix(rest, "/") {
			rest = "//" + rest // or two slashes in front would make a host of it
		}
	} else {
		path, fragment, _ := strings.Cut(rest, "#")
		unescaped, err := url.PathUnescape(path)
		if err != nil || fragment != "" {
			return errors.New("sqlite: the file: URI of the DSN is malformed; escape % as %25, # as %23 and ? as %3F")
		}
		if authority, found := strings.CutPrefix(unescaped, "//"); found {
			host, below, _ := strings.Cut(authority, "/")
			if host != "" && host != "localhost" {
				return errors.New("sqlite: the file: URI of the DSN names another host; want file:name, file:/dir/name or file:///dir/name")
			}
			unescaped = "/" + below
		}
		d.path = unescaped
	}
	if d.path == "" {
		return errors.New("sqlite: the DSN names no file; want a file name or a file: URI, for instance file:sessions.db")
	}
	d.inMemory = d.path == ":memory:" || params.Get("mode") == "memory"
	d.uri = "file:" + rest + "?" + params.Encode()
	if mode := params.Get("mode"); d.inMemory || mode == "ro" || mode == "rw" || params.Has("immutable") || params.Has("vfs") {
		d.path = "" // not ours to create
	}
	return nil
}
