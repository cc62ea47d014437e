package testserver

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The account on the SQL servers that tests start. It may do everything.
const (
	sqlUser     = "session"
	sqlPassword = "swordfish-4711"
)

// randomName returns a name for a database.
func randomName() string {
	return "session_" + strings.ToLower(rand.Text()[:16])
}

// program returns the path of a program that is in PATH or matches one of the patterns. Of several
// matches it returns the last one.
func program(t testing.TB, name, hint string, patterns ...string) string {
	t.Helper()
	for _, pattern := range patterns {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name, hint)
	}
	return path
}

// version returns what a program prints for --version.
func version(t testing.TB, program string) string {
	t.Helper()
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Fatalf("%s --version: %v", program, err)
	}
	return string(out)
}

// expect returns an error unless the next bytes from conn are want.
func expect(conn net.Conn, want string) error {
	got, err := receive(conn, len(want))
	if err == nil && got != want {
		err = fmt.Errorf("the server answers %q", got)
	}
	return err
}

// receive returns the next n bytes from conn.
func receive(conn net.Conn, n int) (string, error) {
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	got := make([]byte, n)
	_, err := io.ReadFull(conn, got)
	return string(got), err
}

// output returns what a client program prints.
func output(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, stderr.String())
	}
	return strings.TrimSuffix(string(out), "\n")
}
