package testserver

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// build compiles a program of the nested module servers and returns its path. It keeps the
// result in the user's cache directory, one for each version of the program.
func build(t testing.TB, name string) string {
	t.Helper()
	module := filepath.Join(root(t), "internal", "testserver", "servers")
	cache := cacheDir(t)
	program := filepath.Join(cache, name+"-"+fingerprint(t, module, name))
	defer lock(t, filepath.Join(cache, name+".lock"))()
	if _, err := os.Stat(program); err == nil {
		return program
	}
	compile := func() ([]byte, error) {
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", program+".new", "./"+name)
		cmd.Dir = module
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
		return cmd.CombinedOutput()
	}
	out, err := compile()
	for try := 1; try < 3 && err != nil; try++ { // a download may have failed
		time.Sleep(time.Second)
		out, err = compile()
	}
	if err != nil {
		missing(t, name, "building it failed; the Go module proxy must be reachable: "+string(out))
	}
	if err := os.Rename(program+".new", program); err != nil {
		t.Fatal(err)
	}
	return program
}

// cacheDir returns the directory that keeps what later tests need too.
func cacheDir(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "gosession-testserver")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	return cache
}

// root returns the root directory of the repository, which is above that of the test.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "internal", "testserver", "servers", "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the test does not run within the repository")
		}
		dir = filepath.Dir(dir)
	}
}

// fingerprint returns a hash of a program's source, its module's dependencies and the Go version.
func fingerprint(t testing.TB, module, name string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(module, name, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	for _, file := range append(files, filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(text)
	}
	hash.Write([]byte(runtime.Version()))
	return hex.EncodeToString(hash.Sum(nil)[:8])
}

// lock takes a lock against tests of other packages, which are other processes, that make the
// same file at the same time.
func lock(t testing.TB, name string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}
