package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// setVersion makes version the version of the next release: the modules of the workspace in root require each other at
// this version, and go.work replaces it. If a file can't be read, it changes none.
func setVersion(root, version string) error {
	if !semver.IsValid(version) || semver.Canonical(version) != version {
		return fmt.Errorf("%q is not a version such as v0.3.0", version)
	}
	if major := semver.Major(version); major != "v0" && major != "v1" {
		return fmt.Errorf("%s: the module paths do not end in /%s; only versions v0 and v1 are supported", version, major)
	}
	ws, err := readWorkspace(root)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	for _, m := range ws.modules {
		if files[m.goMod()], err = ws.requireAt(m, version); err != nil {
			return err
		}
	}
	if files["go.work"], err = ws.replaceAt(version); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// requireAt returns m's go.mod, with the given version for all required modules of this repository.
func (ws *workspace) requireAt(m *module, version string) ([]byte, error) {
	for _, r := range ws.siblings(m) {
		if err := m.file.AddRequire(r.Mod.Path, version); err != nil {
			return nil, fmt.Errorf("%s: %w", m.goMod(), err)
		}
	}
	return m.file.Format()
}

// replaceAt returns go.work, with one replace line at version for each module that is published or required.
func (ws *workspace) replaceAt(version string) ([]byte, error) {
	for _, r := range ws.work.Replace {
		if ws.sibling(r.Old.Path) {
			replaceVersion(r, version)
		}
	}
	for _, m := range ws.modules {
		if ws.replaces(m.path, version) || !m.published() && !ws.required(m) {
			continue
		}
		if err := ws.work.AddReplace(m.path, version, "./"+strings.TrimPrefix(m.dir, "."), ""); err != nil {
			return nil, fmt.Errorf("go.work: %w", err)
		}
	}
	ws.work.Cleanup()
	return modfile.Format(ws.work.Syntax), nil
}

// replaceVersion changes the version within the line, which keeps its position and its comments.
func replaceVersion(r *modfile.Replace, version string) {
	tokens := r.Syntax.Token
	path := slices.Index(tokens, modfile.AutoQuote(r.Old.Path))
	if r.Old.Version == "" {
		r.Syntax.Token = slices.Insert(tokens, path+1, version)
	} else {
		tokens[path+1] = version
	}
	r.Old.Version = version
}
