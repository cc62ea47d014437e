package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	modpath "golang.org/x/mod/module"
)

// A goal limits the downloads of one consumer.
type goal struct {
	consumer string
	modules  int
	bytes    int64
}

var ownGoal = goal{consumer: "memory", modules: 6, bytes: 6e6}

type options struct {
	write     bool // write tidied files back, and the table into the README
	committed bool // rehearse the last commit instead of the working tree
	consumers fs.FS
	goal      goal
	out       io.Writer
}

// A rehearsal is a release to a proxy in a directory.
type rehearsal struct {
	options
	root    string // the working tree; only -write changes it
	tmp     string
	ws      *workspace // a copy of the tree
	version string
	proxy   string
	command *goCommand
}

// rehearse publishes a copy of the tree in root to a file system proxy, and builds the consumers against it. It
// fails if a go.mod or go.sum is not tidy, if a consumer does not build or run, or if the goal is missed.
func rehearse(ctx context.Context, root string, o options) error {
	return withRehearsal(ctx, root, o, func(r *rehearsal) error {
		untidy, err := r.publishAll(ctx)
		if err != nil {
			return err
		}
		if o.write {
			return errors.Join(r.writeBack(untidy), r.consumeAll(ctx))
		}
		return errors.Join(notTidy(untidy), r.consumeAll(ctx))
	})
}

// withRehearsal calls f with a copy of the tree, and removes the copy afterwards.
func withRehearsal(ctx context.Context, root string, o options, f func(*rehearsal) error) (err error) {
	tmp, err := os.MkdirTemp("", "session-release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	r := &rehearsal{options: o, root: root, tmp: tmp, proxy: filepath.Join(tmp, "proxy")}
	tree := filepath.Join(tmp, "tree")
	if err := errors.Join(os.Mkdir(r.proxy, 0o755), os.Mkdir(tree, 0o755)); err != nil {
		return err
	}
	if err := copyTree(ctx, root, tree, o.committed); err != nil {
		return err
	}
	if r.ws, err = readWorkspace(tree); err != nil {
		return err
	}
	if r.version, err = r.ws.version(); err != nil {
		return err
	}
	if err := r.ws.checkInternals(); err != nil {
		return err
	}
	if r.command, err = newGoCommand(ctx, r.proxy, r.ws.root.path); err != nil {
		return err
	}
	return f(r)
}

// publishAll tidies and publishes each module after the modules that it requires, and returns the files that
// were not tidy. It also publishes modules that a release does not, because other such modules may require them.
func (r *rehearsal) publishAll(ctx context.Context) (untidy []string, err error) {
	g := r.command.with("GOMODCACHE=" + filepath.Join(r.tmp, "modcache"))
	for _, m := range r.ws.modules {
		changed, err := r.ws.tidy(ctx, g, m)
		if err != nil {
			return nil, err
		}
		untidy = append(untidy, changed...)
		dir := filepath.Join(r.ws.dir, m.dir)
		if err := addLicense(r.ws.dir, dir); err != nil {
			return nil, err
		}
		if err := publish(r.proxy, dir, modpath.Version{Path: m.path, Version: r.version}); err != nil {
			return nil, err
		}
	}
	return untidy, nil
}

func notTidy(files []string) error {
	if len(files) == 0 {
		return nil
	}
	return fmt.Errorf("not tidy: %s; run \"go run ./tools/release rehearse -write\"", strings.Join(files, ", "))
}

// writeBack copies the tidied files to the tree.
func (r *rehearsal) writeBack(files []string) error {
	for _, name := range files {
		text, err := readOptional(filepath.Join(r.ws.dir, name))
		if err != nil {
			return err
		}
		if err := writeOptional(filepath.Join(r.root, name), text); err != nil {
			return err
		}
		fmt.Fprintln(r.out, "written:", name)
	}
	return nil
}

// consumeAll builds the consumers, installs the commands, and prints the downloads of each.
func (r *rehearsal) consumeAll(ctx context.Context) error {
	consumers, err := readConsumers(r.consumers, r.ws)
	if err != nil {
		return err
	}
	var rows []row
	for _, c := range consumers {
		sent, err := r.measure(c.name, func(g *goCommand, dir string) error { return c.build(ctx, g, dir, r.version) })
		if err != nil {
			return err
		}
		rows = append(rows, row{c.name, sent})
	}
	for _, m := range r.ws.modules {
		if !m.published() || !m.command() {
			continue
		}
		sent, err := r.measure(path.Base(m.path), func(g *goCommand, dir string) error { return m.install(ctx, g, dir, r.version) })
		if err != nil {
			return err
		}
		rows = append(rows, row{path.Base(m.path), sent})
	}
	fmt.Fprintf(r.out, "\n%s\n", table(rows))
	if r.write {
		if err := replaceTable(filepath.Join(r.root, "README.md"), table(rows)); err != nil {
			return err
		}
	}
	return r.goal.check(rows)
}

// measure calls f with an empty module cache and an empty directory, and counts its downloads.
func (r *rehearsal) measure(name string, f func(g *goCommand, dir string) error) (downloads, error) {
	start := time.Now()
	dir := filepath.Join(r.tmp, "consumers", name)
	cache := filepath.Join(r.tmp, "cache") // always the same path, because the build cache identifies C code by its path
	if err := f(r.command.with("GOMODCACHE="+cache), dir); err != nil {
		return downloads{}, err
	}
	sent, err := countDownloads(cache)
	if err != nil {
		return downloads{}, err
	}
	fmt.Fprintf(r.out, "%s: %d modules and %d more go.mod files, %.2f megabytes; %.0f s\n",
		name, sent.modules, sent.goMods, sent.megabytes(), time.Since(start).Seconds())
	return sent, os.RemoveAll(cache)
}

func (g goal) check(rows []row) error {
	for _, r := range rows {
		if r.name != g.consumer {
			continue
		}
		if r.sent.modules > g.modules || r.sent.bytes > g.bytes {
			return fmt.Errorf("consumer %s downloads %d modules and %.2f megabytes; the goal is at most %d and %.2f",
				r.name, r.sent.modules, r.sent.megabytes(), g.modules, float64(g.bytes)/1e6)
		}
		return nil
	}
	return fmt.Errorf("there is a goal for consumer %s, which does not exist", g.consumer)
}
