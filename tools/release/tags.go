package main

import (
	"fmt"
	"io"
	"path"
)

// printTags prints the git tags that publish the modules, one on each line. All of them must name the same commit.
func printTags(root string, out io.Writer) error {
	ws, err := readWorkspace(root)
	if err != nil {
		return err
	}
	version, err := ws.version()
	if err != nil {
		return err
	}
	for _, m := range ws.modules {
		if m.published() {
			fmt.Fprintln(out, path.Join(m.dir, version))
		}
	}
	return nil
}
