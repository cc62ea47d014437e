package faulttest

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// watchLeaks counts goroutines and sockets now, and again when it is called.
func watchLeaks(t *testing.T) func() {
	goroutines, sockets := counts()
	return func() {
		t.Helper()
		var g, s int
		for begin := time.Now(); time.Since(begin) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
			if g, s = counts(); g <= goroutines && s <= sockets {
				return
			}
		}
		var stacks bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Errorf("%d goroutines and %d sockets more than before\n%s", g-goroutines, s-sockets, stacks.String())
	}
}

func counts() (goroutines, sockets int) {
	http.DefaultClient.CloseIdleConnections()  // those to the proxy
	fds, _ := filepath.Glob("/proc/self/fd/*") // none but on Linux
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:") {
			sockets++
		}
	}
	return runtime.NumGoroutine(), sockets
}
