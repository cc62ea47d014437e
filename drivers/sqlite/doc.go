// Package sqlite keeps sessions in a SQLite file. Any number of processes of one machine may use
// the file at the same time.
//
// Import the package, which registers the driver "sqlite":
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/sqlite"
//	)
//
//	func main() {
//		sessions, err := session.Open("sqlite", "file:sessions.db")
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer sessions.Close()
//		log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
//	}
//
// With cgo, the package uses github.com/mattn/go-sqlite3, which needs a C compiler. Without, it uses
// modernc.org/sqlite, which is SQLite translated to Go: see [Without cgo]. To keep sessions in a
// database that the application opens itself, use package sqlstore.
//
// [Without cgo]: #hdr-Without_cgo
//
// The DSN is a file name or a file: URI, and parameters after a question mark:
//
//	sessions.db
//	file:/var/lib/app/sessions.db?_synchronous=FULL&table=web_sessions
//
// Open makes a relative name absolute. The parameters of this package are
//
//	table        the name of the table; the default is sessions
//	id_column    the name of the key's column; the default is id
//	data_column  the name of the values' column; the default is data
//
// SQLite's own parameters are mode, cache, vfs (one that SQLite brings along), immutable, nolock
// and psow. With mode rwc, the default, the first use creates the file; with ro, rw and memory it
// does not. The parameters of go-sqlite3 begin with an underscore. These have other defaults here:
//
//	_journal_mode=WAL    Readers and the writer do not wait for each other. OFF is refused,
//	                     because no transaction could be rolled back.
//	_synchronous=NORMAL  Acknowledged writes survive the end of a process, even if it is killed.
//	                     After a power failure, the last writes may be missing. FULL keeps
//	                     them, and costs a disk write for each.
//	_busy_timeout=20     Milliseconds for which SQLite itself waits for a writer of another
//	                     process, whatever the context. The store then tries again until the
//	                     context is done.
//	_txlock=immediate    Transactions do not deadlock with each other.
//	_secure_delete=on    SQLite overwrites the data of ended sessions.
//
// Open fails for an unknown parameter, an invalid value, and a parameter that is given twice.
//
// # Without cgo
//
// The go command builds without cgo if CGO_ENABLED is 0, if it finds no C compiler, and for another
// operating system or processor. Then
//
//   - DSNs, files and guarantees are the same, and programs of both kinds can use one file at the
//     same time. Open refuses the parameters _loc, _mutex and _stmt_cache_size, which are about
//     go-sqlite3 and not about SQLite.
//   - a request that reads or writes a session takes more processor time: docs/choosing-a-backend.md
//     has figures.
//   - the program builds for the platforms that the documentation of modernc.org/sqlite lists.
//   - errors of the file system may lack the cause that the operating system gave.
//   - the SQL driver that is registered with package database/sql is "sqlite" of modernc.org/sqlite,
//     instead of "sqlite3" of go-sqlite3. Package database/sql panics if the program contains
//     another SQL driver of that name.
//
// # The file
//
// The store creates the file with mode 0600, whatever the umask, the vfs, and symbolic links that
// lead to it. SQLite gives the files beside it the same mode. An existing file keeps its mode and
// its owner, and SQLite gives them to the files beside it too: so let the store create the file, or
// create it with mode 0600.
//
// The directory must exist, and every user whose processes use the store must be able to write to
// it. If a program of another user, such as root, opens the store first, it creates a file that
// only that user can open: add mode=rw to the DSN of such a program.
//
// SQLite keeps files beside the file whose names end in -wal, -shm or -journal, and the file is
// incomplete without them. So mount the directory into a container, not the file alone, and give
// the file one name: no hard links. Symbolic links are fine.
//
// While a store is open, do not delete, replace, move or overwrite its file: some connections of
// SQLite would continue with the old file, and mix its log with the new one. If a store finds
// another file under its name, or none, each call fails with an error that says so, until the file
// is back or the store is opened again. The store does not notice that a file is overwritten in
// place, as cp does.
//
// # Backups
//
// To back up a file in use, ask SQLite (VACUUM INTO, or .backup in its shell); a copy made by
// other means may be damaged. To restore a backup, stop all processes that use the file, delete the
// files that end in -wal and -shm, put the backup in place, and start the processes. Sessions that
// ended after the backup was made are then alive again, so consider emptying the table instead.
//
// # What the backend can't do
//
//   - The processes must run on one machine, with shared memory: a network file system does not
//     work.
//   - After a power failure the last writes may be missing, unless _synchronous=FULL.
//   - One process writes at a time. Concurrent writes of a process share a transaction. A
//     goroutine moves them from the WAL into the file; meanwhile the WAL may grow to 40 MB.
//   - With ":memory:" or mode=memory, each store has its own sessions, which end with it. Package
//     drivers/memory is better for that.
//
// After an error of the file system, such as a directory that can't be written to, the store works
// again as soon as the cause is gone.
package sqlite
