// Package testserver starts the servers that tests need, each on a free port of
// the loopback interface, and stops them when the test is over.
package testserver

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// missing skips the test, or fails it where nothing may be missing.
func missing(t testing.TB, what, how string) {
	t.Helper()
	if os.Getenv("SESSION_TEST_REQUIRE") == "1" {
		t.Fatalf("%s is missing; %s", what, how)
	}
	t.Skipf("%s is missing; %s", what, how)
}

// freeAddr is an address on which nobody listens.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Memcached is a running memcached.
type Memcached struct {
	Addr string
	t    testing.TB
	args []string
	cmd  *exec.Cmd
}

// StartMemcached starts a memcached with these arguments beside the address.
func StartMemcached(t testing.TB, args ...string) *Memcached {
	t.Helper()
	if _, err := exec.LookPath("memcached"); err != nil {
		missing(t, "memcached", "install it: apt-get install memcached")
	}
	m := &Memcached{Addr: freeAddr(t), t: t, args: args}
	m.Start()
	t.Cleanup(m.Stop)
	return m
}

// Start starts it again after Stop, at the same address.
func (m *Memcached) Start() {
	m.t.Helper()
	host, port, _ := net.SplitHostPort(m.Addr)
	var stderr bytes.Buffer
	m.cmd = exec.Command("memcached", append([]string{"-u", "nobody", "-l", host, "-p", port, "-U", "0", "-c", "4096"}, m.args...)...)
	m.cmd.Stderr = &stderr
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", m.Addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatal(fmt.Errorf("memcached does not listen: %w; %s", err, stderr.String()))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Stop kills it. All that it has stored is gone.
func (m *Memcached) Stop() {
	if m.cmd == nil {
		return
	}
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
	m.cmd = nil
}
