package main

import (
	"slices"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	files, refs, err := load("testdata/house", []string{"Factory", "Session"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"factory.go", "leaf.go", "record.go", "session.go"}; !slices.Equal(files, want) {
		t.Errorf("files are %q; want %q", files, want)
	}
	want := []reference{
		{"factory.go", "leaf.go", "defaultName"},
		{"record.go", "factory.go", "NewFactory"},
		{"session.go", "record.go", "record"},
		{"session.go", "record.go", "record.name"},
	}
	if !slices.Equal(refs, want) {
		t.Errorf("references are\n%v\nwant\n%v", refs, want)
	}
}

func TestLayers(t *testing.T) {
	layers, err := parseLayers("# comment\n\nabove: factory\n\nbetween: session\n record\nbelow: leaf\n")
	if err != nil {
		t.Fatal(err)
	}
	refs := []reference{
		{"factory.go", "leaf.go", "down"},
		{"record.go", "factory.go", "up1"},
		{"record.go", "factory.go", "up2"},
		{"record.go", "session.go", "along"},
		{"session.go", "record.go", "along"},
		{"leaf.go", "record.go", "up3"},
	}
	up := layers.against(refs)
	want := "record.go (between) -> factory.go (above): up1, up2\nleaf.go (below) -> record.go (between): up3\n"
	if got := report(layers, up); got != want || len(up) != 3 || pairs(up) != 2 {
		t.Errorf("%d references of %d pairs against the order:\n%swant 3 of 2:\n%s", len(up), pairs(up), got, want)
	}
	err = layers.check([]string{"factory.go", "session.go", "leaf.go", "new.go"})
	for _, want := range []string{"new.go is in no layer", `layer "between" has record.go, which does not exist`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check = %v; want an error with %q", err, want)
		}
	}
	if err := layers.check([]string{"factory.go", "session.go", "record.go", "leaf.go"}); err != nil {
		t.Errorf("check = %v; want nil", err)
	}
}

func TestParseLayersRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"above factory\n":                "no colon",
		"above: factory\nbelow: factory": "two layers",
	} {
		if _, err := parseLayers(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseLayers(%q) = %v; want an error with %q", text, err, want)
		}
	}
}
