package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A goCommand runs the go command as on a user's machine: without a workspace, and with
// the modules of this repository from the proxy that the rehearsal fills.
type goCommand struct {
	env []string
}

// newGoCommand returns a goCommand that asks the proxy in the directory proxy first. Other modules
// come from this machine's module cache, which has the layout of a proxy and is faster, or from
// the usual proxy.
func newGoCommand(ctx context.Context, proxy, rootPath string) (*goCommand, error) {
	out, err := output(ctx, proxy, nil, "go", "env", "GOPROXY", "GOMODCACHE", "GOFLAGS")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(out, "\n")
	usual, cache, flags := lines[0], lines[1], lines[2]
	return &goCommand{env: append(os.Environ(),
		"GOWORK=off",
		"GOPROXY="+fileURL(proxy)+","+fileURL(filepath.Join(cache, "cache", "download"))+","+usual,
		"GONOSUMDB="+rootPath, // the checksum database does not know an unpublished version
		"GOPRIVATE=",
		"GONOPROXY=none",
		"GOTOOLCHAIN=local",
		// -modcacherw, because temporary module caches are removed; -trimpath, so that they share the build cache.
		"GOFLAGS="+strings.TrimSpace(flags+" -modcacherw -trimpath"),
	)}, nil
}

// with returns a goCommand with additional environment variables.
func (g *goCommand) with(settings ...string) *goCommand {
	return &goCommand{env: append(g.env[:len(g.env):len(g.env)], settings...)}
}

// run runs "go args..." in dir. The error of a command that fails contains its output.
func (g *goCommand) run(ctx context.Context, dir string, args ...string) error {
	return runIn(ctx, dir, g.env, "go", args...)
}

func runIn(ctx context.Context, dir string, env []string, name string, args ...string) error {
	_, err := output(ctx, dir, env, name, args...)
	return err
}

// output runs a command in dir and returns its standard output. The error of a command that fails contains its standard
// output and standard error.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

func fileURL(dir string) string {
	slashed := filepath.ToSlash(dir)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/...
	}
	return "file://" + slashed
}
