package sqlite

import (
	"errors"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"gosession.dev/session/drivers/sqlstore"
)

// dsn is a parsed DSN.
type dsn struct {
	path    string // the absolute path of the file; "" if the database is in memory
	creates bool   // whether the first use may create the file
	single  bool   // whether there must be one connection: a second would see other data, or be locked out
	wal     bool   // whether the journal mode must be WAL
	uri     string // the URI of the database, with SQLite's parameters and the ones of go-sqlite3
	options sqlstore.Options
}

var (
	errEmpty     = errors.New("sqlite: the DSN names no file; want a file name or a file: URI, for example file:sessions.db")
	errMalformed = errors.New("sqlite: the file: URI of the DSN is malformed; escape % as %25, # as %23 and ? as %3F")
	errHost      = errors.New("sqlite: the file: URI of the DSN names another host; want file:name, file:/dir/name or file:///dir/name")
	errScheme    = errors.New("sqlite: the DSN is a URI, but not a file: URI; want a file name or a file: URI, for example file:sessions.db")
	errDirectory = errors.New("sqlite: the DSN names a directory; want a file name or a file: URI, for example file:sessions.db")
)

// foreignURI matches URIs of other kinds: any URI with a host, the URIs of other SQLite packages,
// and file: in upper case.
var foreignURI = regexp.MustCompile(`(?i)^([a-z][a-z0-9+.-]*://|(sqlite3?|file):)`)

// parseDSN returns the parsed form of text. The error quotes no part of it but names of parameters.
func parseDSN(text string) (dsn, error) {
	name, query, _ := strings.Cut(text, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return dsn{}, errors.New("sqlite: the DSN's parameters are malformed; want FILE?name=value&name=value")
	}
	if err := checkParams(params); err != nil {
		return dsn{}, err
	}
	d := dsn{options: takeOptions(params)}
	if err := d.options.Validate(); err != nil {
		return dsn{}, err
	}
	path, err := fileName(name)
	if err != nil {
		return dsn{}, err
	}
	return d, d.set(path, params)
}

// takeOptions removes the parameters of package sqlstore from params, and returns them.
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

// fileName returns the file name of a DSN; name is the part of the DSN before its parameters.
func fileName(name string) (string, error) {
	rest, isURI := strings.CutPrefix(name, "file:")
	switch {
	case isURI:
		var err error
		if name, err = unescape(rest); err != nil {
			return "", err
		}
	case foreignURI.MatchString(name):
		return "", errScheme
	}
	switch {
	case name == "":
		return "", errEmpty
	case strings.ContainsRune(name, 0):
		return "", errors.New("sqlite: the file name of the DSN contains a zero byte; remove it")
	case strings.HasSuffix(filepath.ToSlash(name), "/"):
		return "", errDirectory
	}
	return name, nil
}

// unescape returns the file name of a file: URI; rest is the URI without its scheme.
func unescape(rest string) (string, error) {
	path, fragment, _ := strings.Cut(rest, "#")
	name, err := url.PathUnescape(path)
	if err != nil || fragment != "" {
		return "", errMalformed
	}
	if authority, found := strings.CutPrefix(path, "//"); found {
		host, _, _ := strings.Cut(authority, "/")
		if host != "" && host != "localhost" {
			return "", errHost
		}
		name = name[len("//")+len(host):]
	}
	return name, nil
}

// set sets the fields of d that follow from the file name and the parameters.
func (d *dsn) set(path string, params url.Values) error {
	inMemory := path == ":memory:" || params.Get("mode") == "memory"
	readOnly, err := setReadOnly(params)
	switch {
	case err != nil:
		return err
	case inMemory && readOnly:
		return errors.New("sqlite: the DSN names a database in memory that can't be written to; remove the parameter that makes it read-only")
	}
	setDefaults(params, readOnly)
	d.wal = !inMemory && strings.EqualFold(get(params, "_journal_mode"), "WAL")
	unlocked := isTrue(params.Get("nolock")) || strings.HasSuffix(params.Get("vfs"), "-none")
	if d.wal && (unlocked || params.Get("vfs") == "unix-dotfile") {
		return errors.New("sqlite: there is no WAL with this value of the DSN parameter vfs, or with nolock; add _journal_mode=DELETE")
	}
	d.single = inMemory || unlocked || strings.EqualFold(get(params, "_locking_mode"), "EXCLUSIVE")
	if inMemory {
		params.Del("cache") // with cache=shared, stores would share the database
		d.uri = "file::memory:?" + params.Encode()
		return nil
	}
	if path, err = absolute(path); err != nil {
		return errors.New("sqlite: the file name of the DSN is relative, and the working directory can't be determined; give an absolute name")
	}
	d.path = path
	if mode := params.Get("mode"); mode == "" || mode == "rwc" {
		d.creates = !readOnly
		params.Set("mode", "rw") // so that SQLite does not create the file, which other users could then read
	}
	d.uri = uriOf(path) + "?" + params.Encode()
	return nil
}

// setReadOnly reports whether the parameters make the database read-only. For immutable it adds
// mode=ro, because SQLite would otherwise create the file.
func setReadOnly(params url.Values) (bool, error) {
	if isTrue(params.Get("immutable")) {
		if mode := params.Get("mode"); mode != "" && mode != "ro" {
			return false, errors.New("sqlite: the DSN parameter immutable is for files that are never changed; use it with mode=ro")
		}
		params.Set("mode", "ro")
	}
	return params.Get("mode") == "ro" || isTrue(params.Get("_query_only")), nil
}

// setDefaults sets parameters that the DSN does not contain to their defaults.
func setDefaults(params url.Values, readOnly bool) {
	for name, value := range defaults {
		if name == "_journal_mode" && readOnly {
			continue // setting it writes to the file
		}
		if get(params, name) == "" {
			params.Set(name, value)
		}
	}
}

// uriOf returns the file: URI of an absolute file name. It escapes special characters.
func uriOf(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows path begins with the letter of a drive
	}
	return "file://" + (&url.URL{Path: path}).EscapedPath()
}

// existing returns d for a file that must exist, and whose journal mode must not change.
func (d dsn) existing() dsn {
	file, query, _ := strings.Cut(d.uri, "?")
	params, err := url.ParseQuery(query)
	if err != nil || d.path == "" {
		return d
	}
	params.Del("_journal_mode")
	params.Del("_journal")
	d.uri, d.creates, d.wal = file+"?"+params.Encode(), false, false
	return d
}
