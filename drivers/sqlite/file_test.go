package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// Nobody else on the machine may read sessions, whatever the umask.
func TestFileModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	require.NoError(t, s.Create(t.Context(), record("k")))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), suffix)
	}

	// The mode of a file that is there is its owner's business.
	require.NoError(t, os.WriteFile(path+"2", nil, 0o640))
	require.NoError(t, open(t, path+"2").Create(t.Context(), record("k")))
	info, err := os.Stat(path + "2")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
}

// Errors say the cause, are outages, and do not show the path.
func TestUnusableFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "canary")
	require.NoError(t, os.Mkdir(dir, 0o700))
	garbage := filepath.Join(dir, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, []byte(strings.Repeat("this is no database. ", 1000)), 0o600))
	good := filepath.Join(dir, "good.db")
	require.NoError(t, open(t, good).Create(t.Context(), record("k")))

	for name, tt := range map[string]struct{ dsn, want string }{
		"directory":            {dir, "is a directory"},
		"no such directory":    {filepath.Join(dir, "no", "s.db"), "no such file or directory"},
		"no such file":         {"file:" + filepath.Join(dir, "none.db") + "?mode=rw", "unable to open database file"},
		"no database":          {garbage, "file is not a database"},
		"read-only":            {"file:" + good + "?mode=ro", "readonly database"},
		"read-only, not there": {"file:" + filepath.Join(dir, "none.db") + "?mode=ro", "unable to open database file"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, tt.dsn)
			err := s.Create(t.Context(), record("k2"))
			require.ErrorContains(t, err, tt.want)
			for _, sentinel := range []error{driver.ErrNotFound, driver.ErrExists, driver.ErrConflict, driver.ErrCorrupt} {
				require.NotErrorIs(t, err, sentinel)
			}
			require.NotContains(t, err.Error(), "canary")
			if name == "read-only" {
				_, err := s.Retrieve(t.Context(), "k")
				require.NoError(t, err, "what can't be written can be read")
				return
			}
			_, err = s.Retrieve(t.Context(), "k")
			require.Error(t, err)
			require.NotErrorIs(t, err, driver.ErrNotFound)
			require.NotContains(t, err.Error(), "canary")
		})
	}
	content, err := os.ReadFile(garbage)
	require.NoError(t, err)
	require.Len(t, content, 21_000, "bad input loses nothing")
}

// A file that is damaged while it is in use is an outage too.
func TestCorruptedFile(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path+"?_journal_mode=DELETE")
	for i := range 500 {
		require.NoError(t, s.Create(ctx, record(fmt.Sprint("k", i))))
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 4096; i < len(content); i++ {
		content[i] = 0xa5
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))
	s = open(t, path+"?_journal_mode=DELETE")
	_, err = s.Retrieve(ctx, "k1")
	require.ErrorContains(t, err, "malformed")
	require.NotErrorIs(t, err, driver.ErrNotFound)
}

// A full disk: the write that finds it fails, and what was acknowledged stays.
func TestFullDisk(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	require.NoError(t, s.Create(ctx, record("first")))
	limit := func(pages int) {
		st := s.(*store)
		st.db.SetMaxOpenConns(1) // the limit is a connection's
		_, err := st.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		require.NoError(t, err)
	}
	limit(1) // SQLite takes the size that it has
	acknowledged := []string{"first"}
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		r := record(fmt.Sprint("k", i))
		if err = s.Create(ctx, r); err == nil {
			acknowledged = append(acknowledged, r.Key)
		}
	}
	require.ErrorContains(t, err, "database or disk is full")
	for _, key := range acknowledged {
		_, err := s.Retrieve(ctx, key)
		require.NoError(t, err, key)
	}
	r, err := s.Retrieve(ctx, "first")
	require.NoError(t, err)
	r.Data = []byte(strings.Repeat("x", 100_000))
	require.ErrorContains(t, s.Flush(ctx, r), "full")
	r, err = s.Retrieve(ctx, "first")
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, string(r.Data))
	limit(1_000_000)
	require.NoError(t, s.Create(ctx, record("there is room again")))
}

// Data of sessions that have ended is not left in the file.
func TestSecureDelete(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	canary := "the-canary-sings"
	for i := range 100 {
		r := record(fmt.Sprint("k", i))
		r.Data = []byte(strings.Repeat(canary, 100))
		require.NoError(t, s.Create(ctx, r))
	}
	for i := range 100 {
		require.NoError(t, s.Destroy(ctx, fmt.Sprint("k", i)))
	}
	_, err := s.(*store).db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(content), canary)
}

// SQLite would wait for a lock beyond the end of a context.
func TestLockedByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	require.NoError(t, s.Create(t.Context(), record("k")))
	other, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate")
	require.NoError(t, err)
	defer other.Close()
	lock, err := other.Begin()
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = s.Destroy(ctx, "k")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, driver.ErrNotFound)
	require.Less(t, time.Since(start), 2*time.Second, "the busy timeout of go-sqlite3 alone is 5 s")
	_, err = s.Retrieve(t.Context(), "k")
	require.NoError(t, err, "readers do not wait")

	done := make(chan error, 1)
	go func() { done <- s.Destroy(context.Background(), "k") }()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, lock.Rollback())
	require.NoError(t, <-done, "and the writer goes on when it can")
}

// A file that lets nobody connect is waited for no longer than the context says.
func TestLockedForConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	require.NoError(t, s.Create(t.Context(), record("k")))
	s.(*store).db.SetMaxIdleConns(-1) // each call connects
	other, err := sql.Open("sqlite3", "file:"+path+"?_locking_mode=EXCLUSIVE")
	require.NoError(t, err)
	defer other.Close()
	other.SetMaxOpenConns(1)
	_, err = other.Exec("UPDATE sessions SET version = version + 1")
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	returned := make(chan error)
	go func() {
		_, err := s.Retrieve(ctx, "k")
		returned <- err
	}()
	select {
	case err := <-returned:
		require.ErrorIs(t, err, context.DeadlineExceeded)
	case <-time.After(10 * time.Second):
		t.Fatal("Retrieve does not return")
	}
}

// Close lets go of the file.
func TestCloseReleases(t *testing.T) {
	files := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("needs /proc to count open files")
		}
		return len(entries)
	}
	before := files()
	for range 20 {
		s, err := Driver{}.Open(filepath.Join(t.TempDir(), "s.db"))
		require.NoError(t, err)
		require.NoError(t, s.Create(t.Context(), record("k")))
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
	}
	require.LessOrEqual(t, files(), before)
}

// On a file system without shared memory SQLite silently refuses WAL.
func TestRefusedJournalMode(t *testing.T) {
	d, err := parseDSN(":memory:")
	require.NoError(t, err)
	d.wal = true
	_, err = connector{d}.Connect(t.Context())
	require.ErrorContains(t, err, "the journal mode is memory")
}

func TestInMemory(t *testing.T) {
	ctx := t.Context()
	a, b := open(t, ":memory:"), open(t, ":memory:")
	require.NoError(t, a.Create(ctx, record("k")))
	for range 10 {
		_, err := a.Retrieve(ctx, "k")
		require.NoError(t, err)
	}
	for key, err := range a.Sessions(ctx) {
		require.NoError(t, err)
		require.NoError(t, a.Destroy(ctx, key), "no connection is held between two keys")
	}
	_, err := b.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound, "each is alone")
}

// A gigabyte is too much for SQLite; the limit is lowered to see it.
func TestTooLarge(t *testing.T) {
	ctx := t.Context()
	s := open(t, ":memory:")
	require.NoError(t, s.Create(ctx, record("k")))
	conn, err := s.(*store).db.Conn(ctx)
	require.NoError(t, err)
	require.NoError(t, conn.Raw(func(c any) error {
		c.(*sqlite3.SQLiteConn).SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
		return nil
	}))
	require.NoError(t, conn.Close())
	big := record("big")
	big.Data = []byte(strings.Repeat("x", 20_000))
	require.ErrorIs(t, s.Create(ctx, big), driver.ErrTooLarge)
	r, err := s.Retrieve(ctx, "k")
	require.NoError(t, err)
	r.Data = big.Data
	require.ErrorIs(t, s.Flush(ctx, r), driver.ErrTooLarge)
	moved := *r
	moved.Key = "moved"
	require.ErrorIs(t, s.ChangeID(ctx, "k", &moved), driver.ErrTooLarge)
	r, err = s.Retrieve(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, string(r.Data))
}
