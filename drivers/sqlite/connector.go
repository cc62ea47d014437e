package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// connector opens the connections of a pool. It implements the Connector of
// database/sql/driver.
type connector struct{ dsn dsn }

func (c connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

// Connect opens a connection. If the database is busy, package sqlstore tries again, for as
// long as the context of its caller lasts, which need not be the context here.
func (c connector) Connect(context.Context) (driver.Conn, error) {
	if err := c.createFile(); err != nil {
		return nil, err
	}
	conn, err := c.Driver().Open(c.dsn.uri)
	if err != nil {
		return nil, err
	}
	if err := c.checkJournal(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if c.dsn.wal {
		if _, err := conn.(driver.ExecerContext).ExecContext(context.Background(), largeWAL, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// largeWAL sets how many pages the WAL has before a writer makes a checkpoint, in the
// place of the goroutine of the store: more than come together as a rule. Then it has
// 40 MB.
const largeWAL = "PRAGMA wal_autocheckpoint = 10000"

// createFile makes a new file before SQLite does, which would let others read it.
func (c connector) createFile() error {
	if c.dsn.path == "" {
		return nil
	}
	file, err := os.OpenFile(c.dsn.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if info, err := os.Stat(c.dsn.path); err == nil && info.IsDir() {
			return errors.New("the file can't be opened: it is a directory")
		}
		return nil
	}
	if err != nil {
		if pathError, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathError.Err // without the path, which is the DSN
		}
		return fmt.Errorf("the file can't be created: %w", err)
	}
	return file.Close()
}

// checkJournal makes sure that what was asked for was granted: on some file
// systems, networks' above all, SQLite says no by silence.
func (c connector) checkJournal(conn driver.Conn) error {
	if !c.dsn.wal {
		return nil
	}
	rows, err := conn.(driver.QueryerContext).QueryContext(context.Background(), "PRAGMA journal_mode", nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	mode := make([]driver.Value, 1)
	if err := rows.Next(mode); err != nil && err != io.EOF {
		return err
	}
	if text := fmt.Sprint(mode[0]); !strings.EqualFold(text, "wal") {
		return fmt.Errorf("the journal mode is %s: there is no WAL on this file system, or the file can't be written to; choose another with _journal_mode", text)
	}
	return nil
}
