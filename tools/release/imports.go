package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// eachSource calls f for each Go file of m, tests included, with its path relative to the workspace and its imports.
func (m *module) eachSource(workspace string, f func(name string, imports []string)) error {
	top := filepath.Join(workspace, m.dir)
	return filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		ignored := strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_") || entry.Name() == "testdata"
		if entry.IsDir() {
			_, err := os.Stat(filepath.Join(name, "go.mod"))
			if name != top && (err == nil || ignored) {
				return fs.SkipDir
			}
			return nil
		}
		if ignored || filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		imports, err := importsOf(name, text)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(workspace, name)
		f(filepath.ToSlash(relative), imports)
		return err
	})
}

func importsOf(name string, text []byte) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, spec := range file.Imports {
		pkg, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		imports = append(imports, pkg)
	}
	return imports, nil
}
