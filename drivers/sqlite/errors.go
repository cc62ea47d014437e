//go:build cgo

package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mattn/go-sqlite3"

	"gosession.dev/session/drivers/sqlstore"
)

// fileError is an error about the file that does not contain its name.
type fileError string

func (e fileError) Error() string { return "sqlite: " + string(e) }

// readonlyDirectory is SQLITE_READONLY_DIRECTORY. SQLite's message for it blames the file.
const readonlyDirectory = 1544

// explain describes an error without quoting data or names. It returns "" for an unknown error.
func explain(err error) string {
	if e, ok := errors.AsType[fileError](err); ok {
		return e.Error()
	}
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return ""
	}
	text := sqlstore.SQLite.Explain(err)
	switch {
	case e.ExtendedCode == readonlyDirectory:
		text = "sqlite: SQLite needs other files beside the file, and the directory can't be written to"
	case text == "":
		text = "sqlite: " + e.Code.Error()
	}
	if e.ExtendedCode != 0 {
		text = fmt.Sprintf("%s (code %d)", text, e.ExtendedCode)
	}
	if e.SystemErrno != 0 {
		text += ": " + e.SystemErrno.Error()
	}
	return text
}

// mayEndWithConnection reports whether a new connection may not have the error. For example, SQLite
// opens a file that can't be written to for reading, and the connection stays read-only.
func mayEndWithConnection(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	return ok && slices.Contains([]sqlite3.ErrNo{
		sqlite3.ErrReadonly, sqlite3.ErrCantOpen, sqlite3.ErrPerm, sqlite3.ErrIoErr,
		sqlite3.ErrNotADB, sqlite3.ErrCorrupt, sqlite3.ErrProtocol,
	}, e.Code)
}
