package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"gosession.dev/session/soak/wire"
)

// stats serves the resources that the process uses.
func stats(w http.ResponseWriter, _ *http.Request) {
	u := wire.Usage{Goroutines: runtime.NumGoroutine()}
	u.Sockets, u.Files = descriptors()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	u.Heap, u.Resident = m.HeapAlloc, resident()
	_ = json.NewEncoder(w).Encode(u)
}

// descriptors counts the open sockets and files.
func descriptors() (sockets, files int) {
	paths, _ := filepath.Glob("/proc/self/fd/*")
	for _, path := range paths {
		switch to, err := os.Readlink(path); {
		case err != nil:
		case strings.HasPrefix(to, "socket:"):
			sockets++
		case strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "/dev/") && !strings.HasPrefix(to, "/proc/"):
			files++
		}
	}
	return sockets, files
}

// resident returns the resident memory in bytes, or 0 if it is unknown.
func resident() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages uint64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// limit sets the size beyond which no file can grow. For a program that writes, that is a full
// disk.
func limit(w http.ResponseWriter, r *http.Request) {
	var l syscall.Rlimit
	bytes, err := strconv.ParseUint(r.FormValue("bytes"), 10, 64)
	if err == nil {
		err = syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l)
	}
	if err == nil {
		l.Cur = cmp.Or(bytes, l.Max)
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
