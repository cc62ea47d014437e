package main

import (
	"errors"
	"fmt"
	"strings"
)

// checkInternals fails if a library that is a module of its own imports an internal package of the root module: users
// may upgrade one module without the other, and internal packages change without notice. Tests and commands may
// import internal packages, because a release tests and installs all modules at one version.
func (ws *workspace) checkInternals() error {
	var problems []error
	for _, m := range ws.modules {
		if m == ws.root || !m.published() || m.command() {
			continue
		}
		err := m.eachSource(ws.dir, func(name string, imports []string) {
			if strings.HasSuffix(name, "_test.go") {
				return
			}
			for _, pkg := range imports {
				if strings.HasPrefix(pkg, ws.root.path+"/internal/") {
					problems = append(problems, fmt.Errorf("%s: imports %s of another module", name, pkg))
				}
			}
		})
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}
