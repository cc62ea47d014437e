//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"gosession.dev/session"
)

// onTerminal runs the command on a terminal and returns what the terminal shows.
func onTerminal(t *testing.T, env []string, args ...string) string {
	t.Helper()
	return atTerminal(t, env, "", args...)
}

// answering is onTerminal with input that an operator types.
func answering(t *testing.T, typed string, args ...string) string {
	t.Helper()
	return atTerminal(t, nil, typed, args...)
}

// atTerminal runs the command on a terminal with this additional environment and input.
func atTerminal(t *testing.T, env []string, typed string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer master.Close()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	cmd := exec.Command(binary, args...)
	cmd.Env = append(append(os.Environ(), "NO_COLOR=", "TERM=xterm"), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	require.NoError(t, cmd.Start())
	_, err = io.WriteString(master, typed)
	require.NoError(t, err)
	require.NoError(t, terminal.Close())
	shown, err := io.ReadAll(master)
	if !errors.Is(err, syscall.EIO) { // EIO: no process has the terminal open any more
		require.NoError(t, err)
	}
	_ = cmd.Wait()
	return string(shown)
}

// On a terminal sessionctl prints colours, unless NO_COLOR or TERM=dumb forbids them, and copy
// shows a bar.
func TestTerminal(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from.db"), filepath.Join(t.TempDir(), "to.db")
	b := backend{"sqlite", "file:" + from}
	f := b.open(t, session.Config{})
	for range 20 {
		signIn(t, f, "ada")
	}
	store := []string{"-driver", b.driver, "-dsn", b.dsn}
	list := append([]string{"list"}, store...)
	require.Contains(t, onTerminal(t, nil, list...), "\x1b[1mKEY ")
	require.NotContains(t, onTerminal(t, []string{"NO_COLOR=1"}, list...), "\x1b")
	require.NotContains(t, onTerminal(t, []string{"TERM=dumb"}, list...), "\x1b")
	require.Contains(t, onTerminal(t, nil, "list"), "\x1b[31msessionctl:\x1b[0m name a driver")

	shown := onTerminal(t, nil, append([]string{"copy", "--to-driver", "sqlite", "--to-dsn", "file:" + to}, store...)...)
	require.Regexp(t, `\r\[[#.]{16}\] \d+ of 20 sessions, \d+ a second, \d+s left`, shown)
	require.Contains(t, shown, "[################] 20 of 20 sessions")
	require.Regexp(t, `\ncopied: 20 of 20 in `, shown)
}
