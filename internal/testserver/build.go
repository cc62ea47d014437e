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
)

// build compiles a program of the nested module in servers, once for each version
// of it, and returns its path.
func build(t testing.TB, name string) string {
	t.Helper()
	module := filepath.Join(root(t), "internal", "testserver", "servers")
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "gosession-testserver")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(cache, name+"-"+fingerprint(t, module, name))
	defer lock(t, filepath.Join(cache, name+".lock"))()
	if _, err := os.Stat(program); err == nil {
		return program
	}
	cmd := exec.Command("go", "build", "-o", program+".new", "./"+name)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, name, "it could not be built, the Go module proxy must be reachable: "+string(out))
	}
	if err := os.Rename(program+".new", program); err != nil {
		t.Fatal(err)
	}
	return program
}

// root is the folder of the module, above that of the test.
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
			t.Fatal("the test does not run within the module")
		}
		dir = filepath.Dir(dir)
	}
}

// fingerprint tells versions of a program apart.
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

// lock keeps the tests of other packages, which run in processes of their own,
// from building at the same time.
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
