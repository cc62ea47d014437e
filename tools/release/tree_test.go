package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// synthetic is a small repository: a root module, a driver that requires it, a command,
// and a module that is not published.
var synthetic = map[string]string{
	"go.work": `go 1.26

use (
	./bench
	./cmd/tool
	./drivers/a
	.
)

replace (
	// The modules of this repository, at the next release's version.
	example.test/s v0.2.0 => ./
	example.test/s/drivers/a v0.2.0 => ./drivers/a
)
`,
	".gitignore":       "*.db\n",
	"LICENSE":          "license of s\n",
	"README.md":        "# s\n\n" + tableBegin + "old\n" + tableEnd + "\nafter\n",
	"go.mod":           "module example.test/s\n\ngo 1.26\n",
	"s.go":             "package s\n\nfunc Name() string { return \"s\" }\n",
	"sessions.db":      "ignored by git\n",
	"drivers/a/go.mod": "module example.test/s/drivers/a\n\ngo 1.26\n\nrequire example.test/s v0.2.0\n",
	"drivers/a/a.go":   "package a\n\nimport \"example.test/s\"\n\nfunc Name() string { return s.Name() + \"/a\" }\n",
	"cmd/tool/go.mod":  "module example.test/s/cmd/tool\n\ngo 1.26\n\nrequire example.test/s/drivers/a v0.2.0\n\nrequire example.test/s v0.2.0 // indirect\n",
	"cmd/tool/main.go": "package main\n\nimport \"example.test/s/drivers/a\"\n\nfunc main() { println(a.Name()) }\n",
	"bench/go.mod":     "module example.test/s/bench\n\ngo 1.26\n\nrequire example.test/s v0.2.0\n",
	"bench/bench.go":   "package bench\n\nimport _ \"example.test/s\"\n",
}

// newTree writes the synthetic repository, with changes, into a new directory. An empty text removes a file.
func newTree(t *testing.T, changes map[string]string) string {
	t.Helper()
	files := maps.Clone(synthetic)
	maps.Copy(files, changes)
	root := t.TempDir()
	for name, text := range files {
		if text != "" {
			writeFile(t, root, name, text)
		}
	}
	gitIn(t, root, "init", "-q")
	return root
}

func commit(t *testing.T, root string) {
	t.Helper()
	gitIn(t, root, "add", "-A")
	gitIn(t, root, "-c", "user.name=test", "-c", "user.email=test@example.test", "commit", "-q", "-m", "all")
}

func gitIn(t *testing.T, root string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
}

func writeFile(t *testing.T, root, name, text string) {
	t.Helper()
	name = filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, root, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCopyTree(t *testing.T) {
	root := newTree(t, nil)
	commit(t, root)
	writeFile(t, root, "s.go", "changed")
	writeFile(t, root, "new.go", "new")
	if err := os.Remove(filepath.Join(root, "README.md")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		committed bool
		want      map[string]string // "" for a file that must not be there
	}{
		"working tree": {false, map[string]string{"s.go": "changed", "new.go": "new", "README.md": "", "sessions.db": ""}},
		"last commit":  {true, map[string]string{"s.go": synthetic["s.go"], "new.go": "", "README.md": synthetic["README.md"], "sessions.db": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			to := t.TempDir()
			if err := copyTree(t.Context(), root, to, test.committed); err != nil {
				t.Fatal(err)
			}
			for file, want := range test.want {
				got, err := readOptional(filepath.Join(to, file))
				if err != nil || string(got) != want {
					t.Errorf("%s is %q, %v; want %q", file, got, err, want)
				}
			}
		})
	}
}
