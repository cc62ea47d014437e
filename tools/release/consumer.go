package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

//go:embed testdata/consumers
var embedded embed.FS

// ownConsumers returns the consumers of this repository, a directory for each. They must build and run with the
// published modules.
func ownConsumers() (fs.FS, error) {
	return fs.Sub(embedded, "testdata/consumers")
}

// A consumer is a program or a test that uses the published modules as a user would.
type consumer struct {
	name    string
	files   map[string][]byte
	modules []*module // the modules whose packages it imports
}

// readConsumers returns the consumers, and fails if none of them uses one of the published libraries.
func readConsumers(fsys fs.FS, ws *workspace) ([]*consumer, error) {
	dirs, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	var consumers []*consumer
	used := map[*module]bool{}
	for _, dir := range dirs {
		c, err := readConsumer(fsys, dir.Name(), ws)
		if err != nil {
			return nil, fmt.Errorf("consumer %s: %w", dir.Name(), err)
		}
		for _, m := range c.modules {
			used[m] = true
		}
		consumers = append(consumers, c)
	}
	for _, m := range ws.modules {
		if m.published() && !m.command() && !used[m] {
			return nil, fmt.Errorf("no program in tools/release/testdata/consumers imports %s: add one", m.path)
		}
	}
	return consumers, nil
}

func readConsumer(fsys fs.FS, name string, ws *workspace) (*consumer, error) {
	c := &consumer{name: name, files: map[string][]byte{}}
	sources, err := fs.Glob(fsys, path.Join(name, "*.go"))
	if err != nil {
		return nil, err
	}
	seen := map[*module]bool{}
	for _, source := range sources {
		text, err := fs.ReadFile(fsys, source)
		if err != nil {
			return nil, err
		}
		c.files[path.Base(source)] = text
		imports, err := importsOf(source, text)
		if err != nil {
			return nil, err
		}
		for _, pkg := range imports {
			if m := ws.owner(pkg); m != nil && !seen[m] {
				seen[m] = true
				c.modules = append(c.modules, m)
			}
		}
	}
	if len(c.modules) == 0 {
		return nil, errors.New("it imports no module of this repository")
	}
	return c, nil
}

// build makes a module of the consumer in dir, as its author would: it requires the imported modules at version,
// runs "go mod tidy", and runs the program, or the tests if there is no program.
func (c *consumer) build(ctx context.Context, g *goCommand, dir, version string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range c.files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	require := []string{"mod", "edit"}
	for _, m := range c.modules {
		require = append(require, "-require="+m.path+"@"+version)
	}
	last := []string{"run", "."}
	if c.files["main.go"] == nil {
		last = []string{"test", "."}
	}
	for _, args := range [][]string{{"mod", "init", "consumer.example/" + c.name}, require, {"mod", "tidy"}, last} {
		if err := g.run(ctx, dir, args...); err != nil {
			return fmt.Errorf("consumer %s: %w", c.name, err)
		}
	}
	return nil
}

// command reports whether m is a program that users install.
func (m *module) command() bool { return strings.HasPrefix(m.dir, "cmd/") }

// install installs the command m at version into dir, as a user would, and runs it.
func (m *module) install(ctx context.Context, g *goCommand, dir, version string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := g.with("GOBIN="+dir).run(ctx, dir, "install", m.path+"@"+version); err != nil {
		return err
	}
	return runIn(ctx, dir, nil, filepath.Join(dir, path.Base(m.path)), "--help")
}
