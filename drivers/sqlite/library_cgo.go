//go:build cgo

package sqlite

import (
	"database/sql/driver"
	"errors"

	"github.com/mattn/go-sqlite3"
)

// libraryDriver opens connections without the extensions and hooks that an application may add to
// the driver that the library registers.
var libraryDriver driver.Driver = &sqlite3.SQLiteDriver{}

// withoutCounterpart are the parameters that the library does not have.
var withoutCounterpart []string

// openLibrary opens a connection. The library reads the parameters of uri.
func openLibrary(uri string) (libraryConn, error) {
	conn, err := libraryDriver.Open(uri)
	if err != nil {
		return nil, err
	}
	return conn.(*sqlite3.SQLiteConn), nil
}

// inspect reports false if err is not an error of the library.
func inspect(err error) (libraryError, bool) {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return libraryError{}, false
	}
	l := libraryError{code: int(e.Code), extended: int(e.ExtendedCode), text: e.Code.Error()}
	if e.SystemErrno != 0 {
		l.cause = e.SystemErrno
	}
	return l, true
}
