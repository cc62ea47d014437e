package main

import (
	"errors"
	"fmt"
	"slices"
)

// version returns the version of the next release, at which the modules require each other.
// It fails if the go.mod files and go.work contradict each other.
func (ws *workspace) version() (string, error) {
	version := ws.anyVersion()
	if version == "" {
		return "", errors.New("go.work replaces no module of this repository at a version: run \"go run ./tools/release version vX.Y.Z\"")
	}
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	for _, m := range ws.modules {
		if len(m.file.Replace) > 0 {
			problem("%s: has a replace line, which users' builds ignore; put it into go.work", m.goMod())
		}
		for _, r := range ws.siblings(m) {
			required := ws.module(r.Mod.Path)
			switch {
			case required == nil:
				problem("%s: requires %s, which go.work does not use", m.goMod(), r.Mod.Path)
			case m.published() && !required.published():
				problem("%s: requires %s, which is not published", m.goMod(), r.Mod.Path)
			case !ws.replaces(r.Mod.Path, version):
				problem("go.work: lacks the line \"replace %s %s => ./%s\"", r.Mod.Path, version, required.dir)
			}
			if r.Mod.Version != version {
				problem("%s: requires %s at %s, and go.work replaces %s", m.goMod(), r.Mod.Path, r.Mod.Version, version)
			}
		}
	}
	return version, errors.Join(problems...)
}

// anyVersion returns the version of the first replace line for a module of this repository.
func (ws *workspace) anyVersion() string {
	for _, r := range ws.work.Replace {
		if ws.sibling(r.Old.Path) && r.Old.Version != "" {
			return r.Old.Version
		}
	}
	return ""
}

func (ws *workspace) replaces(path, version string) bool {
	for _, r := range ws.work.Replace {
		if r.Old.Path == path && r.Old.Version == version {
			return true
		}
	}
	return false
}

// required reports whether another module of the workspace requires m.
func (ws *workspace) required(m *module) bool {
	return slices.ContainsFunc(ws.modules, func(other *module) bool {
		for _, r := range ws.siblings(other) {
			if r.Mod.Path == m.path {
				return true
			}
		}
		return false
	})
}
