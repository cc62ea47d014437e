package main

import (
	"strings"
	"testing"
)

func TestSetVersion(t *testing.T) {
	root := newTree(t, nil)
	if err := setVersion(root, "v0.3.0"); err != nil {
		t.Fatal(err)
	}
	for name, was := range synthetic {
		want := was
		if strings.HasSuffix(name, "go.mod") || name == "go.work" {
			want = strings.ReplaceAll(was, "v0.2.0", "v0.3.0")
		}
		if name == "go.work" { // cmd/tool is published and had no replace line
			want = want + "\nreplace example.test/s/cmd/tool v0.3.0 => ./cmd/tool\n"
		}
		if got := readFile(t, root, name); got != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
		}
	}
	ws, err := readWorkspace(root)
	if err != nil {
		t.Fatal(err)
	}
	if version, err := ws.version(); version != "v0.3.0" || err != nil {
		t.Errorf("version() = %q, %v; want v0.3.0, nil", version, err)
	}
}

// setVersion also sets the first version of a workspace.
func TestSetVersionWithoutReplaces(t *testing.T) {
	goWork, _, _ := strings.Cut(synthetic["go.work"], "\nreplace")
	root := newTree(t, map[string]string{"go.work": goWork})
	if err := setVersion(root, "v0.2.0"); err != nil {
		t.Fatal(err)
	}
	ws, err := readWorkspace(root)
	if err != nil {
		t.Fatal(err)
	}
	if version, err := ws.version(); version != "v0.2.0" || err != nil {
		t.Errorf("version() = %q, %v; want v0.2.0, nil", version, err)
	}
}

func TestSetVersionRefuses(t *testing.T) {
	for _, version := range []string{"0.3.0", "v0.3", "v0.3.0+build", "next", "", "v2.0.0"} {
		root := newTree(t, nil)
		if err := setVersion(root, version); err == nil {
			t.Errorf("setVersion(%q) = nil; want an error", version)
		}
		if got := readFile(t, root, "go.work"); got != synthetic["go.work"] {
			t.Errorf("go.work after setVersion(%q) is\n%s\nwant it unchanged", version, got)
		}
	}
}

func TestPrintTags(t *testing.T) {
	var out strings.Builder
	if err := printTags(newTree(t, nil), &out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "v0.2.0\ndrivers/a/v0.2.0\ncmd/tool/v0.2.0\n"; got != want {
		t.Errorf("tags are\n%s\nwant\n%s", got, want)
	}
}
