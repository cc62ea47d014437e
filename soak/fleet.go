package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"gosession.dev/session/soak/wire"
)

// build compiles the application, with a clock that can be wrong, into dir. It returns the path
// of the program.
func build(dir string) (program string, err error) {
	list, err := overlay(dir)
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "app")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-overlay", list, "-o", program, "gosession.dev/session/soak/app")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the application: %w\n%s", err, out)
	}
	return program, nil
}

// process is one process of the application.
type process struct {
	program, driver, dsn, fault string
	address                     string
	log                         io.Writer

	mu     sync.Mutex // guards what follows
	cmd    *exec.Cmd
	stdout *bytes.Buffer
}

// nobody is the user that runs the application if soak runs as root: root can write to read-only
// files.
const nobody = 65534

// start starts the process with a clock that is wrong by wrongBy, and waits until it listens.
func (p *process) start(wrongBy time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	args := []string{"-listen", p.address, "-driver", p.driver}
	if p.fault != "" {
		args = append(args, "-fault", p.fault)
	}
	p.stdout = &bytes.Buffer{}
	p.cmd = exec.Command(p.program, args...)
	p.cmd.Env = append(os.Environ(), "SOAK_DSN="+p.dsn, fmt.Sprintf("SOAK_CLOCK=%d", int(wrongBy.Seconds())))
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.log
	if os.Geteuid() == 0 {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	return p.awaitLocked()
}

// awaitLocked waits until the process listens.
func (p *process) awaitLocked() error {
	for begin := time.Now(); time.Since(begin) < 2*time.Minute; time.Sleep(2 * time.Millisecond) {
		if conn, err := net.Dial("tcp", p.address); err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("the application does not listen at %s", p.address)
}

func (p *process) signal(sig os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(sig)
}

// kill kills the process.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

// stop ends the process, which closes everything first. It returns what is left open.
func (p *process) stop() (wire.Stopped, error) {
	p.signal(syscall.SIGTERM)
	var left wire.Stopped
	if err := p.cmd.Wait(); err != nil {
		return left, fmt.Errorf("the application ended with: %w", err)
	}
	return left, json.Unmarshal(p.stdout.Bytes(), &left)
}

// limitFiles limits the size, in bytes, to which the process can write a file. 0 means no limit.
func (p *process) limitFiles(size int64) error {
	response, err := http.Post(fmt.Sprintf("http://%s/limit?bytes=%d", p.address, size), "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("limit the size of files: %s", response.Status)
	}
	return nil
}

// usage asks the process which resources it uses.
func (p *process) usage() (u wire.Usage, err error) {
	response, err := http.Get("http://" + p.address + "/stats")
	if err != nil {
		return u, err
	}
	defer response.Body.Close()
	return u, json.NewDecoder(response.Body).Decode(&u)
}

// fleet is all processes of the application.
type fleet []*process

// start starts all processes with the right clock.
func (f fleet) start() error {
	return f.each(func(p *process) error { return p.start(0) })
}

// stop stops all processes. It fails if one of them leaves something open.
func (f fleet) stop() error {
	return f.each(func(p *process) error {
		left, err := p.stop()
		if err == nil && left != (wire.Stopped{}) {
			err = fmt.Errorf("after Close a process has %d sockets and %d files more than at its start; error: %q; goroutines: %q", left.Sockets, left.Files, left.Error, left.Goroutines)
		}
		return err
	})
}

func (f fleet) kill() { _ = f.each(func(p *process) error { p.kill(); return nil }) }

// each runs do for all processes concurrently, and returns all errors.
func (f fleet) each(do func(*process) error) error {
	errs := make([]error, len(f))
	var wg sync.WaitGroup
	for i, p := range f {
		wg.Go(func() { errs[i] = do(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
