// Release prepares a release of the modules of this repository, and checks that users can build with the published modules.
//
//	go run ./tools/release version v0.3.0     # makes v0.3.0 the next release, in every go.mod and in go.work
//	go run ./tools/release check              # checks format, vet, linters, go.mod and go.sum of every module
//	go run ./tools/release rehearse           # publishes into a directory and builds programs against it
//	go run ./tools/release rehearse -write    # the same, and writes the changes of "go mod tidy" and the README's table
//	go run ./tools/release tags               # prints the git tags of the release, one for each published module
//
// The command works on the workspace that "go env GOWORK" names.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

const usage = `usage: go run ./tools/release version vX.Y.Z
       go run ./tools/release check
       go run ./tools/release rehearse [-write] [-committed]
       go run ./tools/release tags`

func main() {
	log.SetFlags(0)
	log.SetPrefix("release: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	root, err := workspaceRoot(ctx)
	if err != nil {
		return err
	}
	switch command, args := args[0], args[1:]; command {
	case "version":
		if len(args) != 1 {
			return errors.New(usage)
		}
		return setVersion(root, args[0])
	case "check":
		if len(args) != 0 {
			return errors.New(usage)
		}
		return check(ctx, root, os.Stdout)
	case "rehearse":
		return runRehearse(ctx, root, args)
	case "tags":
		if len(args) != 0 {
			return errors.New(usage)
		}
		return printTags(root, os.Stdout)
	}
	return errors.New(usage)
}

func runRehearse(ctx context.Context, root string, args []string) error {
	flags := flag.NewFlagSet("rehearse", flag.ContinueOnError)
	write := flags.Bool("write", false, "write tidy go.mod and go.sum files and the README's table back to the tree")
	committed := flags.Bool("committed", false, "rehearse the last commit instead of the working tree")
	if err := flags.Parse(args); err != nil || flags.NArg() != 0 || *write && *committed {
		return errors.New(usage)
	}
	consumers, err := ownConsumers()
	if err != nil {
		return err
	}
	return rehearse(ctx, root, options{write: *write, committed: *committed, consumers: consumers, goal: ownGoal, out: os.Stdout})
}

func workspaceRoot(ctx context.Context) (string, error) {
	out, err := output(ctx, "", nil, "go", "env", "GOWORK")
	if err != nil {
		return "", err
	}
	file := strings.TrimSpace(out)
	if file == "" || file == "off" {
		return "", errors.New("there is no workspace here: run this command inside the repository, with GOWORK unset")
	}
	return filepath.Dir(file), nil
}
