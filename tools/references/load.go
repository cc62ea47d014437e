package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A reference is the use of an identifier in a file that does not declare it.
type reference struct {
	from, to string // base names of files
	name     string // as in "newID" or "Config.validate"
}

// load returns the base names of the files of the package in dir, without tests, and the references
// between them, except references to the exempt types and their methods.
func load(dir string, exempt []string) ([]string, []reference, error) {
	fset := token.NewFileSet()
	names, exports, err := list(dir)
	if err != nil {
		return nil, nil, err
	}
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, file)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", exports.open)}
	pkg, err := config.Check(dir, fset, files, info)
	if err != nil {
		return nil, nil, err
	}
	return names, references(fset, pkg, info, exempt), nil
}

// exportFiles maps an import path to the file in which the compiler describes the package's exports.
type exportFiles map[string]string

func (e exportFiles) open(path string) (io.ReadCloser, error) {
	if e[path] == "" {
		return nil, fmt.Errorf("go list -export names no file for %s", path)
	}
	return os.Open(e[path])
}

// list returns the Go files of the package in dir, and the export files of its imports.
func list(dir string) ([]string, exportFiles, error) {
	out, err := goList(dir, "-f", `{{join .GoFiles "\n"}}`, ".")
	if err != nil {
		return nil, nil, err
	}
	names := strings.Fields(string(out))
	out, err = goList(dir, "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", ".")
	if err != nil {
		return nil, nil, err
	}
	exports := exportFiles{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	return names, exports, nil
}

func goList(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, &stderr)
	}
	return out, nil
}

// references returns each reference once, in the order of files and names.
func references(fset *token.FileSet, pkg *types.Package, info *types.Info, exempt []string) []reference {
	seen := map[reference]bool{}
	for ident, object := range info.Uses {
		name := nameOf(pkg, object)
		if typeName, _, _ := strings.Cut(name, "."); name == "" || slices.Contains(exempt, typeName) {
			continue
		}
		r := reference{from: base(fset, ident.Pos()), to: base(fset, object.Pos()), name: name}
		if r.from != r.to {
			seen[r] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b reference) int {
		return cmp.Or(strings.Compare(a.from, b.from), strings.Compare(a.to, b.to), strings.Compare(a.name, b.name))
	})
}

func base(fset *token.FileSet, pos token.Pos) string {
	return filepath.Base(fset.Position(pos).Filename)
}

// nameOf returns the name of an identifier that pkg declares at package level, "Type.Method" for a
// method of a type of pkg, and "" for everything else.
func nameOf(pkg *types.Package, object types.Object) string {
	if object.Pkg() != pkg {
		return ""
	}
	if object.Parent() == pkg.Scope() {
		return object.Name()
	}
	method, ok := object.(*types.Func)
	if !ok || method.Signature().Recv() == nil {
		return ""
	}
	receiver := method.Origin().Signature().Recv().Type()
	if pointer, ok := receiver.(*types.Pointer); ok {
		receiver = pointer.Elem()
	}
	named, ok := receiver.(*types.Named)
	if !ok {
		return "" // a method of an unnamed interface
	}
	return named.Obj().Name() + "." + method.Name()
}
