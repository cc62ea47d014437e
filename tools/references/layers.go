package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A layer is a group of files.
type layer struct {
	name  string
	files []string
}

// layers are in order, the highest first.
type layers []layer

// parseLayers reads a layer from each line: its name, a colon, and its files without ".go". A line
// that begins with # is a comment; a line that begins with a space continues the layer before it.
func parseLayers(text string) (layers, error) {
	var all layers
	for line := range strings.Lines(text) {
		name, files, named := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "":
			continue
		case strings.HasPrefix(line, " ") && len(all) > 0:
			files = line
		case !named:
			return nil, fmt.Errorf("layers.txt: %q has no colon", strings.TrimSpace(line))
		default:
			all = append(all, layer{name: name})
		}
		last := &all[len(all)-1]
		for file := range strings.FieldsSeq(files) {
			if all.of(file+".go") >= 0 {
				return nil, fmt.Errorf("layers.txt: %s is in two layers", file)
			}
			last.files = append(last.files, file+".go")
		}
	}
	return all, nil
}

// of returns the index of the file's layer, or -1.
func (f layers) of(file string) int {
	return slices.IndexFunc(f, func(layer layer) bool { return slices.Contains(layer.files, file) })
}

// check fails if a file is in no layer, or if a layer has a file that does not exist.
func (f layers) check(files []string) error {
	var problems []error
	for _, file := range files {
		if f.of(file) < 0 {
			problems = append(problems, fmt.Errorf("%s is in no layer: add it to tools/references/layers.txt", file))
		}
	}
	for _, layer := range f {
		for _, file := range layer.files {
			if !slices.Contains(files, file) {
				problems = append(problems, fmt.Errorf("layer %q has %s, which does not exist", layer.name, file))
			}
		}
	}
	return errors.Join(problems...)
}

// against returns the references from a file to a file of a higher layer.
func (f layers) against(refs []reference) []reference {
	return slices.DeleteFunc(slices.Clone(refs), func(r reference) bool { return f.of(r.from) <= f.of(r.to) })
}
