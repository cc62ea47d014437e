package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"gosession.dev/session/drivers/sqlstore"
)

// fileError is an error about the file that does not contain its name.
type fileError string

func (e fileError) Error() string { return "sqlite: " + string(e) }

// SQLite's result codes. The message for codeReadonlyDirectory, an extended code, blames the file.
const (
	codePerm              = 3
	codeReadonly          = 8
	codeIOErr             = 10
	codeCorrupt           = 11
	codeCantOpen          = 14
	codeProtocol          = 15
	codeNotADB            = 26
	codeReadonlyDirectory = 1544
)

// explain describes an error without quoting data or names. It returns "" for an unknown error.
func explain(err error) string {
	if e, ok := errors.AsType[fileError](err); ok {
		return e.Error()
	}
	e, ok := inspect(err)
	if !ok {
		return ""
	}
	text := sqlstore.SQLite.Explain(err)
	switch {
	case e.extended == codeReadonlyDirectory:
		text = "sqlite: SQLite needs other files beside the file, and the directory can't be written to"
	case text == "":
		text = "sqlite: " + e.text
	}
	if e.extended != 0 {
		text = fmt.Sprintf("%s (code %d)", text, e.extended)
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// mayEndWithConnection reports whether a new connection may not have the error. For example, SQLite
// opens a file that can't be written to for reading, and the connection stays read-only.
func mayEndWithConnection(err error) bool {
	e, ok := inspect(err)
	return ok && slices.Contains([]int{
		codeReadonly, codeCantOpen, codePerm, codeIOErr, codeNotADB, codeCorrupt, codeProtocol,
	}, e.code)
}
