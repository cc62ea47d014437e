package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// A file that can't be used causes an error that names the cause and does not contain the path.
func TestUnusableFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "canary")
	require.NoError(t, os.Mkdir(dir, 0o700))
	garbage := filepath.Join(dir, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, []byte(strings.Repeat("this is no database. ", 1000)), 0o600))
	good := filepath.Join(dir, "good.db")
	require.NoError(t, open(t, good).Create(t.Context(), record("k")))

	loop := filepath.Join(dir, "loop.db")
	require.NoError(t, os.Symlink(loop, loop))

	for name, tt := range map[string]struct{ dsn, want string }{
		"directory":          {dir, "is a directory"},
		"no such directory":  {filepath.Join(dir, "no", "s.db"), "its directory does not exist"},
		"no such file":       {"file:" + filepath.Join(dir, "none.db") + "?mode=rw", "there is no such file"},
		"immutable, missing": {"file:" + filepath.Join(dir, "none.db") + "?immutable=1", "there is no such file"},
		"below a file":       {filepath.Join(good, "s.db"), "not a directory"},
		"device":             {os.DevNull, "not a regular file"},
		"loop of links":      {loop, "too many"},
		"no database":        {garbage, "file is not a database"},
		"read-only":          {"file:" + good + "?mode=ro", "readonly database"},
		"read-only, missing": {"file:" + filepath.Join(dir, "none.db") + "?mode=ro", "there is no such file"},
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
				require.NoError(t, err, "Retrieve from a read-only file")
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
	require.Len(t, content, 21_000, "size of the garbage after the calls")
}

// A damaged file is an outage, not a missing session.
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

// On a full disk, a write fails, and acknowledged records stay.
func TestFullDisk(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	require.NoError(t, s.Create(ctx, record("first")))
	limit := func(pages int) {
		st := s.(*store)
		st.db.SetMaxOpenConns(1) // because the limit is per connection
		_, err := st.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		require.NoError(t, err)
	}
	limit(1) // SQLite raises this to the present size
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
		require.NoError(t, err, "Retrieve(%q) on a full disk", key)
	}
	r, err := s.Retrieve(ctx, "first")
	require.NoError(t, err)
	r.Data = []byte(strings.Repeat("x", 100_000))
	require.ErrorContains(t, s.Flush(ctx, r), "full")
	r, err = s.Retrieve(ctx, "first")
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, string(r.Data))
	limit(1_000_000)
	require.NoError(t, s.Create(ctx, record("after the disk was full")))
}

// The file does not contain the data of ended sessions.
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
	require.NoError(t, s.Close(), "Close, which runs a checkpoint")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotEmpty(t, content)
	require.False(t, strings.Contains(string(content), canary))
}

// A call waits for another process until its context ends, though SQLite itself would wait longer.
func TestLockedByOtherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	require.NoError(t, s.Create(t.Context(), record("k")))
	other, err := sql.Open(SQLDriver, "file:"+path+"?_txlock=immediate")
	require.NoError(t, err)
	defer other.Close()
	lock, err := other.Begin()
	require.NoError(t, err)

	least := time.Hour
	for range 3 { // on a busy machine, a call may return late
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		start := time.Now()
		err = s.Destroy(ctx, "k")
		least = min(least, time.Since(start))
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, driver.ErrNotFound)
	}
	require.Less(t, least, 4*time.Second, "time of Destroy; the default busy timeout of go-sqlite3 is 5s")
	_, err = s.Retrieve(t.Context(), "k")
	require.NoError(t, err, "Retrieve while another process writes")

	done := make(chan error, 1)
	go func() { done <- s.Destroy(context.Background(), "k") }()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, lock.Rollback())
	require.NoError(t, <-done, "Destroy after the other process has ended its transaction")
}

// A call that can't open a connection, because the file is locked, waits until its context ends.
func TestLockedForConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, path)
	require.NoError(t, s.Create(t.Context(), record("k")))
	s.(*store).db.SetMaxIdleConns(-1) // each call connects
	other, err := sql.Open(SQLDriver, path)
	require.NoError(t, err)
	defer other.Close()
	other.SetMaxOpenConns(1)
	_, err = other.Exec("PRAGMA locking_mode = EXCLUSIVE; UPDATE sessions SET version = version + 1")
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
	case <-time.After(time.Minute):
		t.Fatal("Retrieve has not returned after 1m; want context.DeadlineExceeded after 100ms")
	}
}

// Close closes the files.
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

// Connect fails if SQLite silently refuses WAL, as on a file system without shared memory.
func TestRefusedJournalMode(t *testing.T) {
	d, err := parseDSN(":memory:")
	require.NoError(t, err)
	d.wal = true
	_, err = (&connector{dsn: d}).Connect(t.Context())
	require.ErrorContains(t, err, "the journal mode is not WAL")
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
		require.NoError(t, a.Destroy(ctx, key), "Destroy during a listing")
	}
	_, err := b.Retrieve(ctx, "k")
	require.ErrorIs(t, err, driver.ErrNotFound, "Retrieve from another store in memory")
}

// An error that makes a store drop its connections does not end a database in memory.
func TestInMemoryAfterError(t *testing.T) {
	s := open(t, ":memory:")
	require.NoError(t, s.Create(t.Context(), record("k")))
	_, err := s.(*store).db.Exec("PRAGMA query_only = on")
	require.NoError(t, err)
	require.ErrorContains(t, s.Create(t.Context(), record("l")), "readonly")
	_, err = s.(*store).db.Exec("PRAGMA query_only = off")
	require.NoError(t, err)
	_, err = s.Retrieve(t.Context(), "k")
	require.NoError(t, err)
}

// A record larger than SQLite's limit is ErrTooLarge. The test lowers the limit from 1 GB.
func TestTooLarge(t *testing.T) {
	ctx := t.Context()
	s := open(t, ":memory:")
	require.NoError(t, s.Create(ctx, record("k")))
	one, err := s.(*store).db.Conn(ctx)
	require.NoError(t, err)
	limitLength(t, one, 10_000)
	require.NoError(t, one.Close())
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
