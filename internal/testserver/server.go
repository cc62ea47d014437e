// Package testserver starts the real servers that tests need: memcached, Redis, PostgreSQL, PgBouncer,
// MariaDB, and a server that speaks MongoDB's wire protocol. Each listens on a free port of the
// loopback interface, keeps its data in a directory of its own, and is killed at the end of the
// test. If a server is missing, the test is skipped, or fails if SESSION_TEST_REQUIRE is 1.
package testserver

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosession.dev/session/internal/port"
)

// Server is a process that listens at an address.
type Server struct {
	Addr  string
	t     testing.TB
	name  string
	args  []string
	dir   string               // the working directory; "" is that of the test
	attr  *syscall.SysProcAttr // names the user that the process runs as; nil is that of the test
	forks bool                 // the server has child processes
	logs  bool                 // the server writes its errors to stdout
	ready func() error         // returns nil when the server answers requests; nil: when it listens
	left  func()               // removes what a killed server leaves behind; may be nil
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process and its children have ended
}

// start starts program, with arguments that make it listen at the address.
func start(t testing.TB, program string, args func(host, port string) []string) *Server {
	t.Helper()
	s := &Server{Addr: reserve(t), t: t, name: program}
	host, port, _ := net.SplitHostPort(s.Addr)
	s.args = args(host, port)
	s.launch()
	return s
}

// launch starts the server for the first time, and stops it at the end of the test.
func (s *Server) launch() {
	s.t.Helper()
	s.t.Cleanup(s.Stop)
	s.Start()
}

// patience is how long a server may take until it answers, even on a busy machine.
const patience = 2 * time.Minute

// Start starts the server again after Stop, at the same address, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	var stderr bytes.Buffer
	s.cmd = exec.Command(s.name, s.args...)
	s.cmd.Dir, s.cmd.SysProcAttr, s.cmd.Stderr = s.dir, s.attr, &stderr
	if s.logs {
		s.cmd.Stdout = &stderr
	}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		s.t.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() {
		_ = cmd.Wait() // until the children too have closed stderr
		close(ended)
	}()
	for deadline := time.After(patience); ; {
		err := s.answers()
		if err == nil {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
			continue
		case <-ended:
		case <-deadline:
		}
		s.Stop()
		s.t.Fatalf("%s does not answer: %v; %s", s.name, err, stderr.String())
	}
}

func (s *Server) answers() error {
	if s.ready != nil {
		return s.ready()
	}
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Dir returns the server's working directory. A database server keeps its data there.
func (s *Server) Dir() string { return s.dir }

// Stop kills the server and its children, as a crash would.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	// A server that is suspended does not replace a child that has been killed.
	_ = s.cmd.Process.Signal(syscall.SIGSTOP)
	children := s.children()
	_ = s.cmd.Process.Kill()
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.ended
	s.cmd = nil
	if s.left != nil {
		s.left()
	}
}

// Freeze suspends the server until Thaw: the system still accepts connections, and no request is
// answered.
func (s *Server) Freeze() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	for _, pid := range s.children() {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
}

// Thaw resumes the server after Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	for _, pid := range s.children() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	s.signal(syscall.SIGCONT)
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// children returns the process IDs of the server's children.
func (s *Server) children() []int {
	if !s.forks {
		return nil
	}
	out, err := exec.Command("ps", "-A", "-o", "ppid=", "-o", "pid=").Output()
	if err != nil {
		s.t.Fatalf("the children of %s are unknown: ps: %v", s.name, err)
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		var parent, pid int
		if n, _ := fmt.Sscan(line, &parent, &pid); n == 2 && parent == s.cmd.Process.Pid {
			pids = append(pids, pid)
		}
	}
	return pids
}

// reserve returns a loopback address that no other program gets before the end of the test.
func reserve(t testing.TB) string {
	t.Helper()
	addr, release, err := port.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return addr
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
