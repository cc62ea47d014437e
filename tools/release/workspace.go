package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// untagged lists the modules of go.work that a release does not publish.
// All other modules are published and tagged together.
var untagged = []string{
	"acceptance",
	"bench",
	"examples",
	"examples/frameworks",
	"internal/webtest",
	"soak",
	"tools",
}

// A workspace is a go.work file and the modules that it uses. The module in the directory of
// go.work is the root module; the paths of all other modules start with its path.
type workspace struct {
	dir     string
	work    *modfile.WorkFile
	root    *module
	modules []*module // each after the modules that it requires or imports
}

// A module is one module of a workspace.
type module struct {
	dir  string // relative to the workspace, with slashes; "." for the root
	path string
	file *modfile.File
}

func (m *module) published() bool { return !slices.Contains(untagged, m.dir) }

// goMod returns the path of the module's go.mod, relative to the workspace.
func (m *module) goMod() string { return path.Join(m.dir, "go.mod") }

// goSum returns the path of the module's go.sum, relative to the workspace.
func (m *module) goSum() string { return path.Join(m.dir, "go.sum") }

// readWorkspace reads go.work in dir and the go.mod files that it uses.
func readWorkspace(dir string) (*workspace, error) {
	work, err := readGoWork(dir)
	if err != nil {
		return nil, err
	}
	ws := &workspace{dir: dir, work: work}
	for _, use := range work.Use {
		m, err := readModule(dir, path.Clean(use.Path))
		if err != nil {
			return nil, err
		}
		if m.dir == "." {
			ws.root = m
		}
		ws.modules = append(ws.modules, m)
	}
	if ws.root == nil {
		return nil, fmt.Errorf("%s has no line \"use .\"", filepath.Join(dir, "go.work"))
	}
	return ws, ws.sort()
}

func readGoWork(dir string) (*modfile.WorkFile, error) {
	name := filepath.Join(dir, "go.work")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return modfile.ParseWork(name, text, nil)
}

func readModule(workspace, dir string) (*module, error) {
	m := &module{dir: dir}
	name := filepath.Join(workspace, m.goMod())
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if m.file, err = modfile.Parse(name, text, nil); err != nil {
		return nil, err
	}
	if m.file.Module == nil {
		return nil, fmt.Errorf("%s has no module line", name)
	}
	m.path = m.file.Module.Mod.Path
	return m, nil
}

// sibling reports whether path is the path of a module of this repository.
func (ws *workspace) sibling(path string) bool {
	return path == ws.root.path || strings.HasPrefix(path, ws.root.path+"/")
}

// siblings returns the requirements of m that are modules of this repository.
func (ws *workspace) siblings(m *module) []*modfile.Require {
	var siblings []*modfile.Require
	for _, r := range m.file.Require {
		if ws.sibling(r.Mod.Path) {
			siblings = append(siblings, r)
		}
	}
	return siblings
}

// module returns the module with the given path, or nil.
func (ws *workspace) module(path string) *module {
	for _, m := range ws.modules {
		if m.path == path {
			return m
		}
	}
	return nil
}

// owner returns the module that provides the package, or nil.
func (ws *workspace) owner(pkg string) *module {
	for ; pkg != "."; pkg = path.Dir(pkg) {
		if m := ws.module(pkg); m != nil {
			return m
		}
	}
	return nil
}
