package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tidy runs "go mod tidy" in m and removes the modules of this repository from its go.sum, because their checksums
// change with every commit. It returns the paths of the files that have changed. The modules
// that m requires must be in the proxy.
func (ws *workspace) tidy(ctx context.Context, g *goCommand, m *module) ([]string, error) {
	files := []string{m.goMod(), m.goSum()}
	var before [][]byte
	for _, name := range files {
		text, err := readOptional(filepath.Join(ws.dir, name))
		if err != nil {
			return nil, err
		}
		before = append(before, text)
	}
	goSum := filepath.Join(ws.dir, m.goSum())
	if err := ws.stripSiblings(goSum); err != nil { // with old checksums, tidy would refuse changed modules
		return nil, err
	}
	if err := g.run(ctx, filepath.Join(ws.dir, m.dir), "mod", "tidy"); err != nil {
		return nil, fmt.Errorf("%s: %w", m.path, err)
	}
	if err := ws.stripSiblings(goSum); err != nil {
		return nil, err
	}
	var changed []string
	for i, name := range files {
		after, err := readOptional(filepath.Join(ws.dir, name))
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(before[i], after) {
			changed = append(changed, name)
		}
	}
	return changed, nil
}

// stripSiblings removes the modules of this repository from a go.sum file, and the file if nothing remains.
func (ws *workspace) stripSiblings(goSum string) error {
	sums, err := readOptional(goSum)
	if err != nil {
		return err
	}
	var rest []byte
	for line := range bytes.Lines(sums) {
		path, _, _ := strings.Cut(string(line), " ")
		if !ws.sibling(path) {
			rest = append(rest, line...)
		}
	}
	return writeOptional(goSum, rest)
}

// readOptional returns nil if the file does not exist: a module without requirements has no go.sum.
func readOptional(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// writeOptional writes the file, or removes it if text is empty.
func writeOptional(name string, text []byte) error {
	if len(text) > 0 {
		return os.WriteFile(name, text, 0o644)
	}
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
