package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const linter = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0"

// check runs gofmt, go vet and the linters on all modules, and checks that go.mod and go.sum files are tidy.
// It continues after a failure and returns all failures.
func check(ctx context.Context, root string, out io.Writer) error {
	files, err := listFiles(ctx, root)
	if err != nil {
		return err
	}
	separate, err := separateModules(root, files)
	if err != nil {
		return err
	}
	sums, err := readOptional(filepath.Join(root, "go.work.sum"))
	if err != nil {
		return err
	}
	env := os.Environ()
	off := append(env[:len(env):len(env)], "GOWORK=off")
	var problems []error
	step := func(name string, err error) {
		fmt.Fprintln(out, "checked:", name)
		problems = append(problems, err)
	}
	step("gofmt", gofmt(ctx, root, files))
	step("go vet", runIn(ctx, root, env, "go", "vet", "work"))
	step("go vet, root without the workspace", runIn(ctx, root, off, "go", "vet", "./..."))
	step("golangci-lint", lint(ctx, root, env))
	for _, dir := range separate {
		step(dir+", which is not in go.work", errors.Join(
			runIn(ctx, filepath.Join(root, dir), off, "go", "vet", "./..."),
			runIn(ctx, filepath.Join(root, dir), off, "go", "mod", "tidy", "-diff")))
	}
	step("go.mod and go.sum", checkTidy(ctx, root, out))
	step("go.work.sum", unchanged(filepath.Join(root, "go.work.sum"), sums))
	return errors.Join(problems...)
}

// lint runs the linters of .golangci.yml on all modules of the workspace.
func lint(ctx context.Context, root string, env []string) error {
	ws, err := readWorkspace(root)
	if err != nil {
		return err
	}
	args := []string{"run", linter, "run"}
	for _, m := range ws.modules {
		args = append(args, "./"+path.Join(m.dir, "..."))
	}
	return runIn(ctx, root, env, "go", args...)
}

func checkTidy(ctx context.Context, root string, out io.Writer) error {
	return withRehearsal(ctx, root, options{out: out}, func(r *rehearsal) error {
		untidy, err := r.publishAll(ctx)
		return errors.Join(err, notTidy(untidy))
	})
}

// unchanged fails if the go commands have added missing lines to the file.
func unchanged(name string, before []byte) error {
	after, err := readOptional(name)
	if err == nil && !bytes.Equal(before, after) {
		return fmt.Errorf("%s was incomplete; commit it as it is now", name)
	}
	return err
}

func gofmt(ctx context.Context, root string, files []string) error {
	sources := slices.DeleteFunc(slices.Clone(files), func(name string) bool { return filepath.Ext(name) != ".go" })
	out, err := output(ctx, root, nil, "gofmt", append([]string{"-l"}, sources...)...)
	if err == nil && out != "" {
		return fmt.Errorf("gofmt would change:\n%s", out)
	}
	return err
}

// separateModules returns the directories of the modules that go.work does not use.
func separateModules(root string, files []string) ([]string, error) {
	work, err := readGoWork(root)
	if err != nil {
		return nil, err
	}
	var separate []string
	for _, name := range files {
		dir, base := path.Split(filepath.ToSlash(name))
		if base != "go.mod" || strings.Contains(dir, "testdata/") {
			continue
		}
		used := false
		for _, use := range work.Use {
			used = used || path.Clean(use.Path) == path.Clean(dir)
		}
		if !used {
			separate = append(separate, path.Clean(dir))
		}
	}
	return separate, nil
}
