package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestGofmt(t *testing.T) {
	root := newTree(t, map[string]string{"ignored.db/a.go": "package  ignored\n", "drivers/a/with space.go": "package a\n"})
	files, err := listFiles(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if err := gofmt(t.Context(), root, files); err != nil {
		t.Errorf("gofmt of a formatted tree = %v; want nil", err)
	}
	writeFile(t, root, "drivers/a/a.go", "package  a\n")
	if err := gofmt(t.Context(), root, files); err == nil || !strings.Contains(err.Error(), "would change:\ndrivers/a/a.go\n") {
		t.Errorf("gofmt = %v; want an error that names drivers/a/a.go", err)
	}
}

func TestSeparateModules(t *testing.T) {
	root := newTree(t, nil)
	files := []string{"go.mod", "a.go", "bench/go.mod", "old/servers/go.mod", "drivers/a/testdata/go.mod"}
	got, err := separateModules(root, files)
	if want := []string{"old/servers"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("separateModules = %q, %v; want %q, nil", got, err, want)
	}
}

func TestUnchanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "go.work.sum")
	if err := unchanged(name, nil); err != nil {
		t.Errorf("unchanged of a file that does not exist = %v; want nil", err)
	}
	writeFile(t, filepath.Dir(name), "go.work.sum", "sum\n")
	if err := unchanged(name, []byte("sum\n")); err != nil {
		t.Errorf("unchanged of the same text = %v; want nil", err)
	}
	if err := unchanged(name, nil); err == nil {
		t.Error("unchanged of a new file = nil; want an error")
	}
}

// The check reports files that are not tidy, and does not change them.
func TestCheckTidy(t *testing.T) {
	useNoNetwork(t)
	if err := checkTidy(t.Context(), newTree(t, nil), t.Output()); err != nil {
		t.Errorf("checkTidy of a tidy tree = %v; want nil", err)
	}
	root := newTree(t, map[string]string{"bench/bench.go": "package bench\n"})
	if err := checkTidy(t.Context(), root, t.Output()); err == nil || !strings.Contains(err.Error(), "not tidy: bench/go.mod;") {
		t.Errorf("checkTidy = %v; want an error that names bench/go.mod", err)
	}
	if got := readFile(t, root, "bench/go.mod"); got != synthetic["bench/go.mod"] {
		t.Errorf("bench/go.mod after checkTidy is\n%s\nwant it unchanged", got)
	}
}
