package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// requirePrivate fails unless dir contains files and all of them have mode 0600.
func requirePrivate(t *testing.T, dir, dsn string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.NotEmpty(t, entries, "files of %q", dsn)
	for _, entry := range entries {
		info, err := entry.Info()
		require.NoError(t, err)
		if info.Mode().IsRegular() {
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "mode of %[2]s, of the store %[1]q", dsn, entry.Name())
		}
	}
}

// Other users can't read the file that a store creates, nor the files beside it.
func TestFileModes(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o277} {
		old := syscall.Umask(umask)
		defer syscall.Umask(old)
		for _, dsn := range []string{
			"s.db", "./s.db", "../A/s.db", "file:s.db", "file:%73%2edb", "file:a%3Fb.db", "s.db?mode=rwc", "s.db?immutable=0", "s.db?cache=shared",
			"s.db?vfs=unix", "s.db?vfs=unix-dotfile&_journal=DELETE", "s.db?vfs=unix-none&_journal=DELETE", "s.db?vfs=unix-excl", "s.db?nolock=1&_journal=DELETE",
			"s.db?_journal=PERSIST", "s.db?_journal=TRUNCATE", "s.db?_journal=MEMORY", "s.db?_locking=EXCLUSIVE", "s.db?psow=0", "s.db?_query_only=0",
			"link.db", "file:link.db", "chain.db", "link.db?vfs=unix", "dir/s.db", "far.db",
		} {
			syscall.Umask(0o022)
			root := t.TempDir()
			dir := filepath.Join(root, "A")
			require.NoError(t, os.Mkdir(dir, 0o755))
			require.NoError(t, os.Mkdir(filepath.Join(root, "B"), 0o755))
			t.Chdir(dir)
			for link, target := range map[string]string{
				"link.db": "real.db", "chain.db": "link.db", "far.db": filepath.Join(root, "B", "far.db"), "dir": filepath.Join(root, "B"),
			} {
				require.NoError(t, os.Symlink(target, link))
			}
			syscall.Umask(umask)
			s := open(t, dsn)
			require.NoError(t, s.Create(t.Context(), record("k")), dsn)
			require.NoError(t, s.Create(t.Context(), record("l")), dsn)
			syscall.Umask(0o022)
			where := dir
			if dsn == "dir/s.db" || dsn == "far.db" {
				where = filepath.Join(root, "B")
			}
			requirePrivate(t, where, dsn)
		}
		syscall.Umask(old)
	}
}

// A store does not change the mode of an existing file, and the files beside it get the same mode,
// even if the DSN names a link.
func TestModeOfExistingFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "s.db"), filepath.Join(dir, "link.db")
	require.NoError(t, os.WriteFile(path, nil, 0o640))
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, open(t, link).Create(t.Context(), record("k")))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o640), info.Mode().Perm(), suffix)
	}
	_, err := open(t, path).Retrieve(t.Context(), "k")
	require.NoError(t, err)
}

// A store with a read-only DSN, or with mode=rw, creates no file.
func TestNothingIsCreated(t *testing.T) {
	for _, param := range []string{"mode=rw", "mode=ro", "immutable=1", "mode=ro&immutable=1", "mode=ro&vfs=unix", "_query_only=1", "mode=rwc&_query_only=on"} {
		dir := t.TempDir()
		require.NoError(t, os.Symlink("none.db", filepath.Join(dir, "link.db")))
		for _, name := range []string{"s.db", "link.db"} {
			s := open(t, filepath.Join(dir, name)+"?"+param)
			require.ErrorContains(t, s.Create(t.Context(), record("k")), "there is no such file")
		}
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "files after calls with %s", param)
	}
}

// The store creates a file where the operating system would: after a symbolic link, ".." is not the
// directory of the link.
func TestParentOfLink(t *testing.T) {
	for _, dsn := range []string{"link/s.db", "file:link/s.db", "link/../s.db", "file:link/../s.db", "./link/../link/../s.db"} {
		root := t.TempDir()
		dir := filepath.Join(root, "A")
		require.NoError(t, os.MkdirAll(filepath.Join(root, "B", "deep"), 0o755))
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, os.Symlink(filepath.Join("..", "B", "deep"), filepath.Join(dir, "link")))
		require.NoError(t, os.Symlink(filepath.Join("..", "s.db"), filepath.Join(root, "B", "deep", "s.db")))
		require.NoError(t, os.Symlink("deep", filepath.Join(root, "B", "link")))
		for _, base := range []string{"", dir + "/"} {
			t.Chdir(dir)
			if base != "" && strings.HasPrefix(dsn, "file:") {
				continue
			}
			s := open(t, base+dsn)
			require.NoError(t, s.Create(t.Context(), record("k"+base)), dsn)
			requirePrivate(t, filepath.Join(root, "B"), dsn)
			require.FileExists(t, filepath.Join(root, "B", "s.db"), dsn)
			require.NoFileExists(t, filepath.Join(root, "s.db"), dsn)
			require.NoFileExists(t, filepath.Join(dir, "s.db"), dsn)
		}
	}
}

// Stores of one process that create a file concurrently do not release each other's locks.
func TestConcurrentCreation(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "s.db")
		var all sync.WaitGroup
		for _, key := range []string{"a", "b", "c", "d"} {
			s := open(t, path)
			all.Go(func() {
				if err := s.Create(t.Context(), record(key)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		n := 0
		for _, err := range open(t, path).Sessions(t.Context()) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 4, n)
	}
}
