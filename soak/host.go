package main

import (
	"fmt"
	"os"
	"testing"
)

// host is a testing.TB for a command, so that it can use the servers of package testserver. It is
// not safe for concurrent use.
type host struct {
	testing.TB // nil: a method that host lacks panics
	cleanups   []func()
}

// failure is the value with which Fatal panics.
type failure struct{ error }

func (h *host) Helper()                           {}
func (h *host) Cleanup(f func())                  { h.cleanups = append(h.cleanups, f) }
func (h *host) Fatal(args ...any)                 { panic(failure{fmt.Errorf("%s", fmt.Sprint(args...))}) }
func (h *host) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }
func (h *host) Skipf(format string, args ...any)  { h.Fatalf(format, args...) }

// TempDir returns a new folder that other users can read.
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

// close runs the cleanups, the last one first, and turns a panic of Fatal into an error. It is
// deferred.
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
