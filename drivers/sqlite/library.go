package sqlite

import "database/sql/driver"

// libraryConn is a connection of the library that contains SQLite. The library is go-sqlite3 with
// cgo, and modernc.org/sqlite without.
//
// A file for each library has openLibrary, which opens a connection, and inspect, which reads the
// library's errors.
type libraryConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

// libraryError is what an error of the library says about its cause without names and data.
type libraryError struct {
	code     int    // SQLite's result code
	extended int    // SQLite's extended result code
	text     string // the description of code
	cause    error  // the error of the operating system; nil if it is not known
}
