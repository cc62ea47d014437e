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

// onTerminal runs the program at a terminal, and returns what that shows.
func onTerminal(t *testing.T, env []string, args ...string) string {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	defer ours.Close()
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	cmd := exec.Command(binary, args...)
	cmd.Env = append(append(os.Environ(), "NO_COLOR=", "TERM=xterm"), env...)
	cmd.Stdout, cmd.Stderr = terminal, terminal
	require.NoError(t, cmd.Start())
	require.NoError(t, terminal.Close())
	shown, err := io.ReadAll(ours)
	if !errors.Is(err, syscall.EIO) { // nobody is at the other end any more
		require.NoError(t, err)
	}
	_ = cmd.Wait()
	return string(shown)
}

// On a terminal there are colours, unless somebody has asked for none, and a bar.
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
	require.Contains(t, onTerminal(t, nil, "list"), "\x1b[31msessionctl:\x1b[0m say which driver")

	shown := onTerminal(t, nil, append([]string{"copy", "--to-driver", "sqlite", "--to-dsn", "file:" + to}, store...)...)
	require.Regexp(t, `\r\[[#.]{16}\] \d+ of 20 sessions, \d+ a second, \d+s left`, shown)
	require.Contains(t, shown, "[################] 20 of 20 sessions")
	require.Regexp(t, `\nmoved: 20 of 20 in `, shown)
}
