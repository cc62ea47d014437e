package main

import (
	"fmt"
	"slices"
	"strings"
)

// sort puts every module after the modules that it requires or imports, and fails if there is a cycle. Imports count
// too, because they become requirements when the module is tidied.
func (ws *workspace) sort() error {
	var sorted, path []*module
	done := map[*module]bool{}
	var visit func(m *module) error
	visit = func(m *module) error {
		if done[m] {
			return nil
		}
		for i := range path {
			if path[i] == m {
				return errCycle(append(path[i:], m))
			}
		}
		path = append(path, m)
		needed, err := ws.needs(m)
		if err != nil {
			return err
		}
		for _, sibling := range needed {
			if err := visit(sibling); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		done[m] = true
		sorted = append(sorted, m)
		return nil
	}
	for _, m := range ws.modules {
		if err := visit(m); err != nil {
			return err
		}
	}
	ws.modules = sorted
	return nil
}

// needs returns the modules that m requires or imports, in the order of the workspace.
func (ws *workspace) needs(m *module) ([]*module, error) {
	needed := map[*module]bool{}
	for _, r := range ws.siblings(m) {
		needed[ws.module(r.Mod.Path)] = true
	}
	err := m.eachSource(ws.dir, func(_ string, imports []string) {
		for _, pkg := range imports {
			needed[ws.owner(pkg)] = true
		}
	})
	delete(needed, m)
	return slices.DeleteFunc(slices.Clone(ws.modules), func(m *module) bool { return !needed[m] }), err
}

func errCycle(modules []*module) error {
	paths := make([]string, len(modules))
	for i, m := range modules {
		paths[i] = m.path
	}
	return fmt.Errorf("modules require each other in a cycle: %s", strings.Join(paths, " -> "))
}
