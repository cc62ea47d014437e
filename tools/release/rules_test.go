package main

import (
	"strings"
	"testing"
)

func TestOrder(t *testing.T) {
	ws, err := readWorkspace(newTree(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, m := range ws.modules {
		dirs = append(dirs, m.dir)
	}
	if got, want := strings.Join(dirs, " "), ". bench drivers/a cmd/tool"; got != want {
		t.Errorf("order is %s; want %s", got, want)
	}
}

func TestRules(t *testing.T) {
	driver := synthetic["drivers/a/go.mod"]
	for want, changes := range map[string]map[string]string{
		"drivers/a/go.mod: has a replace line": {"drivers/a/go.mod": driver + "\nreplace example.test/s => ../..\n"},
		"requires example.test/s/drivers/b, which go.work does not use": {
			"drivers/a/go.mod": driver + "\nrequire example.test/s/drivers/b v0.2.0\n"},
		"requires example.test/s/bench, which is not published": {
			"drivers/a/go.mod": driver + "\nrequire example.test/s/bench v0.2.0\n"},
		`lacks the line "replace example.test/s/drivers/a v0.2.0 => ./drivers/a"`: {
			"go.work": strings.Replace(synthetic["go.work"], "\texample.test/s/drivers/a v0.2.0 => ./drivers/a\n", "", 1)},
		"requires example.test/s at v0.1.0, and go.work replaces v0.2.0": {
			"drivers/a/go.mod": strings.Replace(driver, "v0.2.0", "v0.1.0", 1)},
		"cycle: example.test/s -> example.test/s/drivers/a -> example.test/s": {
			"go.mod": synthetic["go.mod"] + "\nrequire example.test/s/drivers/a v0.2.0\n"},
		"cycle: example.test/s -> example.test/s/cmd/tool -> example.test/s": {
			"s_test.go": "package s\n\nimport _ \"example.test/s/cmd/tool\"\n"},
		`no line "use ."`:                       {"go.work": strings.Replace(synthetic["go.work"], "\t.\n", "", 1)},
		"replaces no module of this repository": {"go.work": strings.Split(synthetic["go.work"], "\nreplace")[0]},
	} {
		ws, err := readWorkspace(newTree(t, changes))
		if err == nil {
			_, err = ws.version()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("version of a workspace with %v = %v; want an error with %q", changes, err, want)
		}
	}
}

func TestInternals(t *testing.T) {
	const importing = "package a\n\nimport _ \"example.test/s/internal/b\"\n"
	ws, err := readWorkspace(newTree(t, map[string]string{
		"own.go":                   importing,
		"bench/bench.go":           importing,
		"cmd/tool/main.go":         importing,
		"drivers/a/a_test.go":      importing,
		"drivers/a/testdata/a.go":  importing,
		"drivers/a/nested/go.mod":  "module example.test/s/drivers/a/nested\n",
		"drivers/a/nested/nest.go": importing,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := ws.checkInternals(); err != nil {
		t.Errorf("checkInternals = %v; want nil", err)
	}
	writeFile(t, ws.dir, "drivers/a/sub/sub.go", importing)
	const want = "drivers/a/sub/sub.go: imports example.test/s/internal/b of another module"
	if err := ws.checkInternals(); err == nil || err.Error() != want {
		t.Errorf("checkInternals = %v; want %q", err, want)
	}
}
