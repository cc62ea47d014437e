package sqlite

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// childObeys reads commands line by line, and prints the error of each.
func childObeys(s driver.Store) error {
	ctx := context.Background()
	lines := bufio.NewScanner(os.Stdin)
	var stop func() error
	for n := 0; lines.Scan(); n++ {
		var err error
		switch lines.Text() {
		case "open another":
			other, openErr := Driver{}.Open(os.Getenv("SQLITE_TEST_DSN"))
			if openErr != nil {
				return openErr
			}
			defer other.Close()
			for _, err = range other.Sessions(ctx) {
			}
		case "create large":
			r := record("large")
			r.Data = make([]byte, 1<<20)
			err = s.Create(ctx, r)
		case "begin to read":
			stop = readContinuously(s)
		case "end reading":
			err = stop()
		case "create":
			err = s.Create(ctx, record(fmt.Sprint(os.Getpid(), "-", n)))
		case "read":
			for _, err = range s.Sessions(ctx) {
			}
		case "read at once": // with several connections
			errs := make([]error, 32)
			var all sync.WaitGroup
			for i := range errs {
				all.Go(func() {
					for _, errs[i] = range s.Sessions(ctx) {
					}
				})
			}
			all.Wait()
			for _, one := range errs {
				if one != nil {
					err = one
				}
			}
		case "ping":
			err = s.(driver.Pinger).Ping(ctx)
		}
		if _, err := fmt.Println(err); err != nil {
			return err
		}
	}
	return lines.Err()
}

// readContinuously reads with several connections until stop is called, so that at least one is in
// use at any time. stop returns the first error.
func readContinuously(s driver.Store) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		all.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				_, errs[i] = s.Retrieve(context.Background(), "large")
			}
		})
	}
	return func() error {
		cancel()
		all.Wait()
		return cmp.Or(errs...)
	}
}

// unprivilegedProcess is a child process of a user to whom file modes apply, unlike root.
type unprivilegedProcess struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Reader
}

const nobody = 65534

// unprivileged starts a child process that does not run as root.
func unprivileged(t *testing.T, dsn string) *unprivilegedProcess {
	t.Helper()
	cmd := child(t, "obey", dsn)
	if os.Geteuid() == 0 {
		program := filepath.Join(reachable(t), "program")
		content, err := os.ReadFile(os.Args[0])
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(program, content, 0o755))
		env, stderr := cmd.Env, cmd.Stderr
		cmd = exec.Command(program)
		cmd.Env, cmd.Stderr, cmd.Dir = env, stderr, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		require.NoError(t, cmd.Wait())
	})
	return &unprivilegedProcess{t, in, bufio.NewReader(out)}
}

func (s *unprivilegedProcess) do(command string) string {
	s.t.Helper()
	_, err := fmt.Fprintln(s.in, command)
	require.NoError(s.t, err)
	answer, err := s.out.ReadString('\n')
	require.NoError(s.t, err)
	return strings.TrimSpace(answer)
}

// reachable returns a directory that all users can enter.
func reachable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711))
	return dir
}

// folder returns a directory that belongs to the unprivileged user.
func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(reachable(t), "dir")
	require.NoError(t, os.Mkdir(dir, 0o700))
	give(t, dir)
	return dir
}

// give makes path belong to the unprivileged user.
func give(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(path, nobody, nobody))
	}
}

// chmod changes the modes of a store's files, and of their directory.
func chmod(t *testing.T, path string, file, folder os.FileMode) {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	for _, f := range files {
		require.NoError(t, os.Chmod(f, file))
	}
	require.NoError(t, os.Chmod(filepath.Dir(path), folder))
}

const done = "<nil>"

// A store works again when the cause of an error is gone, even if its connections were opened
// before.
func TestRecovery(t *testing.T) {
	t.Run("directory was read-only", func(t *testing.T) {
		dir := folder(t)
		s := unprivileged(t, filepath.Join(dir, "s.db"))
		require.NoError(t, os.Chmod(dir, 0o500))
		require.Equal(t, "sqlite: the file can't be created: permission denied", s.do("create"))
		require.NoError(t, os.Chmod(dir, 0o700))
		require.Equal(t, done, s.do("create"))
	})
	t.Run("directory became read-only", func(t *testing.T) {
		dir := folder(t)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "s.db"), nil, 0o600))
		give(t, filepath.Join(dir, "s.db"))
		s := unprivileged(t, filepath.Join(dir, "s.db"))
		require.NoError(t, os.Chmod(dir, 0o500))
		require.Contains(t, s.do("create"), "the directory can't be written to")
		require.NoError(t, os.Chmod(dir, 0o700))
		require.Equal(t, done, s.do("create"))
	})
	for _, inUse := range []bool{false, true} {
		for _, mode := range []os.FileMode{0, 0o400} {
			t.Run(fmt.Sprintf("files were %v, in use %v", mode, inUse), func(t *testing.T) {
				dir := folder(t)
				path := filepath.Join(dir, "s.db")
				first := unprivileged(t, path)
				require.Equal(t, done, first.do("create"))
				if !inUse {
					require.NoError(t, first.in.Close())
					_, _ = io.Copy(io.Discard, first.out)
				}
				chmod(t, path, mode, 0o500)
				s := unprivileged(t, path)
				for range 3 {
					if mode != 0 && inUse {
						require.Equal(t, done, s.do("read at once"))
					}
					require.NotEqual(t, done, s.do("create"))
					require.NotEqual(t, done, s.do("ping"))
				}
				chmod(t, path, 0o600, 0o700)
				for range 3 {
					require.Equal(t, done, s.do("read at once"))
					require.Equal(t, done, s.do("create"))
					require.Equal(t, done, s.do("ping"))
				}
			})
		}
	}
}

// A store that is read continuously works again when the cause of an error is gone, and its readers
// get no errors.
func TestRecoveryUnderLoad(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "s.db")
	first := unprivileged(t, path)
	require.Equal(t, done, first.do("create large")) // so that a read takes some time
	chmod(t, path, 0o400, 0o500)
	s := unprivileged(t, path)
	require.Equal(t, done, s.do("begin to read"))
	for range 10 {
		require.NotEqual(t, done, s.do("create"))
	}
	chmod(t, path, 0o600, 0o700)
	_ = s.do("create") // may use an earlier connection
	require.Equal(t, done, s.do("create"))
	require.Equal(t, done, s.do("end reading"))
}

// A store works again even if another store of the process has idle connections to the file.
func TestRecoveryOfTwoStores(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "s.db")
	first := unprivileged(t, path)
	require.Equal(t, done, first.do("create"))
	chmod(t, path, 0o400, 0o500)
	s := unprivileged(t, path)
	require.Equal(t, done, s.do("open another"))
	require.NotEqual(t, done, s.do("create"))
	chmod(t, path, 0o600, 0o700)
	_ = s.do("create") // may use an earlier connection
	require.Equal(t, done, s.do("create"))
}

// An empty file becomes a database at the first use.
func TestEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, open(t, path).Create(t.Context(), record("k")))
}

// A store works when garbage in its file has been replaced.
func TestRecoveryFromGarbage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("garbage ", 1000)), 0o600))
	s := open(t, path)
	require.ErrorContains(t, s.Create(t.Context(), record("k")), "not a database")
	require.NoError(t, os.Truncate(path, 0))
	require.NoError(t, s.Create(t.Context(), record("k")))
}
