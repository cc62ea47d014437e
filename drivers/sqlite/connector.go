package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	sessiondriver "gosession.dev/session/driver"
)

// connector is a [driver.Connector], which opens the connections of a pool.
type connector struct {
	dsn  dsn
	pool *sql.DB
	size int // of the pool

	generations generations
	file        atomic.Pointer[os.FileInfo] // the file of the first connection
	pinned      atomic.Pointer[os.File]     // the same, if it could be pinned; open until unpin
}

func (c *connector) Driver() driver.Driver { return libraryDriver }

// Connect opens a connection. It does not wait while the database is busy: package sqlstore calls
// again until the context of its caller ends, which may be another one than ctx.
//
// If ctx forbids to create anything, the file must exist, and keeps its journal mode.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	d := c.dsn
	if !sessiondriver.MayCreate(ctx) {
		d = d.existing()
	}
	conn, err := c.connect(ctx, d)
	if errors.Is(err, errMoved) && c.file.Load() == nil {
		// In a container, the first write to a file of the image replaces the file by a copy.
		conn, err = c.connect(ctx, d)
	}
	return conn, err
}

// connect opens a connection of the present generation.
func (c *connector) connect(ctx context.Context, d dsn) (driver.Conn, error) {
	generation := c.enter(ctx)
	conn, err := c.open(d, generation)
	if err != nil {
		c.generations.leave(generation)
		return nil, err
	}
	return conn, nil
}

// enter waits until all stores have closed the connections of earlier generations to the file, or
// enterTime is over. It then counts a new connection, and returns its generation.
func (c *connector) enter(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, enterTime)
	defer cancel()
	for _, each := range c.ofSameFile() {
		if each != c {
			each.generations.wait(ctx)
		}
	}
	return c.generations.enter(ctx)
}

// open opens a connection that was counted in generation.
func (c *connector) open(d dsn, generation int64) (driver.Conn, error) {
	before, err := c.prepareFile(d.creates)
	if err != nil {
		return nil, err
	}
	opened, err := openLibrary(d.uri)
	if err != nil {
		return nil, err
	}
	if err := c.prepareConn(opened, d, before); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return &conn{opened, c, generation, true}, nil
}

// prepareConn checks that conn has opened the file before, and sets up the WAL.
func (c *connector) prepareConn(conn libraryConn, d dsn, before os.FileInfo) error {
	if err := c.remember(before); err != nil {
		return err
	}
	if !d.wal {
		return nil
	}
	if err := checkJournal(conn); err != nil {
		return err
	}
	_, err := conn.ExecContext(context.Background(), largeWAL, nil)
	return err
}

// largeWAL sets the size of the WAL at which a writer runs a checkpoint, to 10,000 pages or 40 MB.
// Usually the goroutine of the store runs checkpoints before the WAL is that large.
const largeWAL = "PRAGMA wal_autocheckpoint = 10000"

// prepareFile returns the file. If creates is true, it creates the file for the first connection.
func (c *connector) prepareFile(creates bool) (os.FileInfo, error) {
	if c.dsn.path == "" {
		return nil, nil
	}
	if c.file.Load() != nil {
		return c.unmoved()
	}
	creating.Lock()
	defer creating.Unlock()
	if creates {
		if err := create(c.dsn.path); err != nil {
			return nil, err
		}
	}
	info, err := look(c.dsn.path)
	if err == nil && info == nil {
		err = fileError("there is no such file, and neither this call nor the DSN's mode creates it")
	}
	return info, err
}

// unmoved returns the file. If it is not the one that the first connection opened, the error is
// errMoved.
func (c *connector) unmoved() (os.FileInfo, error) {
	info, err := look(c.dsn.path)
	if err == nil && (info == nil || !os.SameFile(info, *c.file.Load())) {
		err = errMoved
	}
	return info, err
}

// remember stores the file of the first connection. before is the file as it was before the
// connection was opened. If the connection may have opened another file, the error is errMoved.
func (c *connector) remember(before os.FileInfo) error {
	if before == nil {
		return nil
	}
	after, err := look(c.dsn.path)
	switch {
	case err != nil:
		return err
	case after == nil || !os.SameFile(before, after):
		return errMoved
	case c.file.Load() == nil && !c.pin(after):
		return errMoved
	case !c.file.CompareAndSwap(nil, &after) && !os.SameFile(after, *c.file.Load()):
		return errMoved
	}
	return nil
}

// pin pins the file, and reports false if another file is there by now.
func (c *connector) pin(info os.FileInfo) bool {
	file := pin(c.dsn.path)
	if file == nil {
		return true
	}
	now, err := file.Stat()
	same := err == nil && os.SameFile(now, info)
	if !same || !c.pinned.CompareAndSwap(nil, file) {
		_ = file.Close()
	}
	return same
}

// unpin ends what pin has begun.
func (c *connector) unpin() {
	if file := c.pinned.Swap(nil); file != nil {
		_ = file.Close()
	}
}

// checkJournal returns an error unless the journal mode is WAL. On some file systems, above all
// network file systems, SQLite ignores a request for WAL without an error.
func checkJournal(conn driver.QueryerContext) error {
	rows, err := conn.QueryContext(context.Background(), "PRAGMA journal_mode", nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	mode := make([]driver.Value, 1)
	if err := rows.Next(mode); err != nil && err != io.EOF {
		return err
	}
	if text := fmt.Sprint(mode[0]); !strings.EqualFold(text, "wal") {
		return fileError("the journal mode is not WAL: there is no WAL on this file system, or the file can't be written to; choose another with _journal_mode")
	}
	return nil
}
