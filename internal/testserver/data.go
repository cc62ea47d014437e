package testserver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// account is the user that a server runs as.
type account struct {
	attr     *syscall.SysProcAttr // nil: the user that runs the test
	uid, gid int
}

// accountFor returns the user that runs the test or, if that is root, the named one: database
// servers refuse to run as root. If the system does not know the name, it is nobody.
func accountFor(t testing.TB, name string) account {
	t.Helper()
	if os.Geteuid() != 0 {
		return account{}
	}
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	if err := errors.Join(uidErr, gidErr); err != nil {
		t.Fatal(err)
	}
	cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return account{&syscall.SysProcAttr{Credential: cred}, uid, gid}
}

// own makes the account the owner of a directory and of everything in it.
func (a account) own(t testing.TB, dir string) {
	t.Helper()
	if a.attr == nil {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, a.uid, a.gid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tempDir returns a new directory of the account, which is removed at the end of the test.
func (a account) tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "testserver") //nolint:usetesting // only root can enter root's t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a.own(t, dir)
	return dir
}

// run runs a program as the account and in the directory.
func (a account) run(t testing.TB, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.SysProcAttr = dir, a.attr
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// data returns a new data directory with what fill puts into an empty one. It calls fill once for
// each key, and keeps the result in the cache directory.
func (a account) data(t testing.TB, name, key string, fill func(dir string)) string {
	t.Helper()
	hash := sha256.Sum256([]byte(key))
	kept := filepath.Join(cacheDir(t), name+"-"+hex.EncodeToString(hash[:8]))
	dir := a.tempDir(t)
	unlock := lock(t, filepath.Join(cacheDir(t), name+".lock"))
	defer unlock()
	if _, err := os.Stat(kept); err != nil {
		fill(dir)
		if err := errors.Join(
			os.RemoveAll(kept+".new"),
			os.CopyFS(kept+".new", os.DirFS(dir)),
			os.Rename(kept+".new", kept),
		); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	unlock()
	if err := os.CopyFS(dir, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	a.own(t, dir)
	return dir
}
