package main

import (
	"fmt"
	"os"
	"testing"
)

// host lends the servers of the tests to a command. It is not safe for concurrent
// use.
type host struct {
	testing.TB // panics where a method is missing below
	cleanups   []func()
}

// failure is what Fatal panics with.
type failure struct{ error }

func (h *host) Helper()                           {}
func (h *host) Cleanup(f func())                  { h.cleanups = append(h.cleanups, f) }
func (h *host) Fatal(args ...any)                 { panic(failure{fmt.Errorf("%s", fmt.Sprint(args...))}) }
func (h *host) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }
func (h *host) Skipf(format string, args ...any)  { h.Fatalf(format, args...) }

// TempDir makes a folder that others may read.
func (h *host) TempDir() string {
	dir, err := os.MkdirTemp("", "soak")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// close undoes everything, the last first, and turns a panic of Fatal into an error.
func (h *host) close(err *error) {
	if f, failed := recover().(failure); failed {
		*err = f.error
	}
	for len(h.cleanups) > 0 {
		last := h.cleanups[len(h.cleanups)-1]
		h.cleanups = h.cleanups[:len(h.cleanups)-1]
		last()
	}
}
