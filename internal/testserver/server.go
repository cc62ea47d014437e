// Package testserver starts the real servers that tests need: memcached, and a server that speaks
// MongoDB's wire protocol. Each listens on a free port of the loopback interface and is stopped at
// the end of the test. If a server is missing, the test is skipped, or fails if
// SESSION_TEST_REQUIRE is 1.
package testserver

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Server is a process that listens at an address.
type Server struct {
	Addr string
	t    testing.TB
	name string
	args []string
	cmd  *exec.Cmd
}

// start starts program, with arguments that make it listen at the address.
func start(t testing.TB, program string, args func(host, port string) []string) *Server {
	t.Helper()
	s := &Server{Addr: freeAddr(t), t: t, name: program}
	host, port, _ := net.SplitHostPort(s.Addr)
	s.args = args(host, port)
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server again after Stop, at the same address, and waits until it listens.
func (s *Server) Start() {
	s.t.Helper()
	var stderr bytes.Buffer
	s.cmd = exec.Command(s.name, s.args...)
	s.cmd.Stderr = &stderr
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.Dial("tcp", s.Addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Stop()
			s.t.Fatalf("%s does not listen: %v; %s", s.name, err, stderr.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Stop kills the server.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Freeze suspends the server until Thaw: the system still accepts connections, and no request is
// answered.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw resumes the server after Freeze.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// freeAddr returns a loopback address at which nothing listens.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// missing skips the test because a program is missing, or fails it if SESSION_TEST_REQUIRE is 1.
// The hint says how to get the program.
func missing(t testing.TB, program, hint string) {
	t.Helper()
	if os.Getenv("SESSION_TEST_REQUIRE") == "1" {
		t.Fatalf("%s is missing; %s", program, hint)
	}
	t.Skipf("%s is missing; %s", program, hint)
}
