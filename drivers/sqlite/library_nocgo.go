//go:build !cgo

package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/url"
	"strings"

	"modernc.org/sqlite"
)

// libraryDriver opens connections without the functions and hooks that an application may add to
// the driver that the library registers.
var libraryDriver driver.Driver = &sqlite.Driver{}

// withoutCounterpart are the parameters that the library does not have.
var withoutCounterpart = []string{"_loc", "_mutex", "_stmt_cache_size"}

// pragmas are the parameters that set a PRAGMA of the same name, by the first of their names and in
// the order in which go-sqlite3 sets them. The values of both are the same words.
var pragmas = []struct{ param, otherwise string }{
	{"_busy_timeout", "5000"},
	{"_auto_vacuum", ""},
	{"_case_sensitive_like", ""},
	{"_defer_foreign_keys", ""},
	{"_foreign_keys", ""},
	{"_ignore_check_constraints", ""},
	{"_journal_mode", ""},
	{"_locking_mode", "NORMAL"},
	{"_query_only", ""},
	{"_recursive_triggers", ""},
	{"_secure_delete", ""},
	{"_synchronous", "NORMAL"},
	{"_writable_schema", ""},
	{"_cache_size", ""},
}

// openLibrary opens a connection, and sets it up as go-sqlite3 does for the parameters of uri. Their
// values have passed checkParams, so that each is a word or a number.
func openLibrary(uri string) (libraryConn, error) {
	file, query, _ := strings.Cut(uri, "?")
	given, err := url.ParseQuery(query)
	if err != nil {
		return nil, errMalformed
	}
	opened, err := libraryDriver.Open(file + "?" + openParams(given).Encode())
	if err != nil {
		return nil, err
	}
	conn := moderncConn{opened.(libraryConn)}
	for _, p := range pragmas {
		value := get(given, p.param)
		if value == "" {
			value = p.otherwise
		}
		if value == "" {
			continue
		}
		if _, err := conn.ExecContext(context.Background(), "PRAGMA "+p.param[1:]+" = "+value, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// openParams returns the parameters that SQLite or the library reads when it opens a connection.
func openParams(given url.Values) url.Values {
	params := url.Values{"_error_rc": {"1"}} // no text of an earlier error
	for name, values := range given {
		if !strings.HasPrefix(name, "_") || name == "_txlock" {
			params[name] = values
		}
	}
	return params
}

// inspect reports false if err is not an error of the library.
func inspect(err error) (libraryError, bool) {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return libraryError{}, false
	}
	code := e.Code() & 0xff
	return libraryError{code: code, extended: e.Code(), text: sqlite.ErrorCodeString[code]}, true
}
