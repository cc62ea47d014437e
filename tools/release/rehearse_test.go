package main

import (
	"archive/zip"
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// useNoNetwork restricts the go command to modules that are on this machine.
func useNoNetwork(t *testing.T) {
	t.Setenv("GOPROXY", fileURL(t.TempDir()))
	t.Setenv("GOFLAGS", "")
}

func program(body string, imports ...string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte("package main\n\nimport (\n\t\"" + strings.Join(imports, "\"\n\t\"") + "\"\n)\n\nfunc main() {\n" + body + "\n}\n")}
}

func consumers() fstest.MapFS {
	return fstest.MapFS{
		"a/main.go":       program(`if a.Name() != "s/a" { panic(a.Name()) }`, "example.test/s/drivers/a"),
		"root/main.go":    program(`if s.Name() != "s" { panic(s.Name()) }`, "example.test/s"),
		"own/own_test.go": {Data: []byte("package own\n\nimport (\n\t\"testing\"\n\n\t\"example.test/s\"\n)\n\nfunc TestName(t *testing.T) {\n\tif s.Name() != \"s\" {\n\t\tt.Fatal(s.Name())\n\t}\n}\n")},
	}
}

func rehearseTree(t *testing.T, root string, change func(*options)) (string, error) {
	t.Helper()
	useNoNetwork(t)
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	o := options{consumers: consumers(), goal: goal{"root", 1, 1e6}, out: &out}
	if change != nil {
		change(&o)
	}
	err := rehearse(t.Context(), root, o)
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "session-release-*")); len(left) > 0 {
		t.Errorf("temporary directories after the rehearsal are %v; want none", left)
	}
	return out.String(), err
}

func TestRehearse(t *testing.T) {
	root := newTree(t, nil)
	before := snapshot(t, root)
	out, err := rehearseTree(t, root, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| with   | modules | megabytes |\n| ------ | ------: | --------: |\n| `own`  |       1 |       0.0 |\n",
		"| `root` |       1 |       0.0 |\n",
		"| `a`    |       2 |       0.0 |\n| `tool` |       3 |       0.0 |\n\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("rehearse prints\n%s\nwant in it\n%s", out, want)
		}
	}
	if after := snapshot(t, root); after != before {
		t.Errorf("the tree after rehearse is\n%s\nwant it unchanged:\n%s", after, before)
	}
}

// A tree that is not tidy fails, -write makes it tidy, and then it passes.
func TestRehearseWrite(t *testing.T) {
	sums := "example.test/s v0.2.0 h1:YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=\n"
	root := newTree(t, map[string]string{
		"bench/bench.go":   "package bench\n",                              // does not import s, which its go.mod requires
		"drivers/a/go.mod": "module example.test/s/drivers/a\n\ngo 1.26\n", // does not require s, which a.go imports
		"drivers/a/go.sum": sums,
	})
	_, err := rehearseTree(t, root, nil)
	if err == nil || !strings.Contains(err.Error(), "drivers/a/go.sum") || !strings.Contains(err.Error(), "bench/go.mod") {
		t.Fatalf("rehearse = %v; want an error that names drivers/a/go.sum and bench/go.mod", err)
	}
	out, err := rehearseTree(t, root, func(o *options) { o.write = true })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := readFile(t, root, "drivers/a/go.mod"), synthetic["drivers/a/go.mod"]; got != want {
		t.Errorf("drivers/a/go.mod is\n%s\nwant\n%s", got, want)
	}
	if got, want := readFile(t, root, "bench/go.mod"), "module example.test/s/bench\n\ngo 1.26\n"; got != want {
		t.Errorf("bench/go.mod is\n%s\nwant\n%s\nthe rehearsal printed\n%s", got, want, out)
	}
	if _, err := os.Stat(filepath.Join(root, "drivers/a/go.sum")); err == nil {
		t.Errorf("drivers/a/go.sum is\n%s\nwant no such file", readFile(t, root, "drivers/a/go.sum"))
	}
	if got := readFile(t, root, "README.md"); !strings.Contains(got, "| `root` |       1 |") || !strings.HasSuffix(got, tableEnd+"\nafter\n") || strings.Contains(got, "old") {
		t.Errorf("README.md is\n%s\nwant the new table between its two lines", got)
	}
	if _, err := rehearseTree(t, root, nil); err != nil {
		t.Errorf("rehearse after rehearse -write = %v; want nil", err)
	}
}

func TestRehearseCommitted(t *testing.T) {
	root := newTree(t, nil)
	commit(t, root)
	writeFile(t, root, "s.go", "package s\n") // without Name
	committed := func(o *options) { o.committed = true }
	if _, err := rehearseTree(t, root, committed); err != nil {
		t.Errorf("rehearse -committed = %v; want nil", err)
	}
	if _, err := rehearseTree(t, root, nil); err == nil {
		t.Error("rehearse of a tree that does not build = nil; want an error")
	}
}

func TestRehearseFails(t *testing.T) {
	for want, change := range map[string]func(*options){
		"consumer root downloads 1 modules": func(o *options) { o.goal.bytes = 10 },
		"the goal is at most 0 and 1.00":    func(o *options) { o.goal.modules = 0 },
		"goal for consumer memory":          func(o *options) { o.goal.consumer = "memory" },
		"consumer a: go run .": func(o *options) {
			o.consumers.(fstest.MapFS)["a/main.go"] = program("panic(a.Name())", "example.test/s/drivers/a")
		},
		"consumer own: go test .": func(o *options) {
			o.consumers.(fstest.MapFS)["own/b_test.go"] = &fstest.MapFile{Data: []byte("package own\n\nvar _ int = s\n")}
		},
		"imports example.test/s/drivers/a: add one": func(o *options) { delete(o.consumers.(fstest.MapFS), "a/main.go") },
		"consumer x: it imports no module":          func(o *options) { o.consumers.(fstest.MapFS)["x/main.go"] = program("fmt.Print()", "fmt") },
	} {
		if _, err := rehearseTree(t, newTree(t, nil), change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rehearse = %v; want an error with %q", err, want)
		}
	}
}

// A published module contains the repository's license, and neither ignored files nor other modules.
func TestPublishedFiles(t *testing.T) {
	useNoNetwork(t)
	root := newTree(t, map[string]string{"bench/LICENSE": "license of bench\n"})
	err := withRehearsal(t.Context(), root, options{}, func(r *rehearsal) error {
		if _, err := r.publishAll(t.Context()); err != nil {
			return err
		}
		for path, want := range map[string]map[string]string{
			"example.test/s":           {"go.mod": "", "s.go": "", "README.md": "", ".gitignore": "", "go.work": "", "LICENSE": synthetic["LICENSE"]},
			"example.test/s/drivers/a": {"go.mod": "", "a.go": "", "LICENSE": synthetic["LICENSE"]},
			"example.test/s/bench":     {"go.mod": "", "bench.go": "", "LICENSE": "license of bench\n"},
		} {
			versions := filepath.Join(r.proxy, path, "@v")
			checkZip(t, filepath.Join(versions, "v0.2.0.zip"), path+"@v0.2.0/", want)
			if got := readFile(t, versions, "list"); got != "v0.2.0\n" {
				t.Errorf("list of %s is %q; want v0.2.0", path, got)
			}
			if got := readFile(t, versions, "v0.2.0.info"); !strings.Contains(got, `"Version":"v0.2.0"`) {
				t.Errorf("info of %s is %s; want the version v0.2.0", path, got)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkZip(t *testing.T, name, prefix string, want map[string]string) {
	t.Helper()
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		text, wanted := want[strings.TrimPrefix(f.Name, prefix)]
		if !wanted {
			t.Errorf("%s contains %s; want no such file", name, f.Name)
		}
		delete(want, strings.TrimPrefix(f.Name, prefix))
		if text == "" {
			continue
		}
		if got, err := fs.ReadFile(z, f.Name); err != nil || string(got) != text {
			t.Errorf("%s in %s is %q, %v; want %q", f.Name, name, got, err, text)
		}
	}
	if len(want) > 0 {
		t.Errorf("%s does not contain %v", name, want)
	}
}

func TestRehearseStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := rehearse(ctx, newTree(t, nil), options{consumers: consumers()}); err == nil {
		t.Error("rehearse with a done context = nil; want an error")
	}
}

func snapshot(t *testing.T, root string) string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() == ".git" {
			return fs.SkipDir
		}
		if entry.Type().IsRegular() {
			rel, _ := filepath.Rel(root, name)
			files = append(files, rel+": "+readFile(t, root, rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return strings.Join(files, "\n")
}
