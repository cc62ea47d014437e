package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/move"
)

// target is the backend that copy and move write to.
type target struct {
	driver, dsn string
	parallel    int
}

func (to *target) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&to.driver, "to-driver", "", "driver of the target (default $SESSION_TO_DRIVER)")
	cmd.Flags().StringVar(&to.dsn, "to-dsn", "", "data source name of the target (default $SESSION_TO_DSN)")
	cmd.Flags().IntVar(&to.parallel, "parallel", 8, "number of sessions in flight at once")
	_ = cmd.RegisterFlagCompletionFunc("to-driver", cobra.FixedCompletions(session.Drivers(), cobra.ShellCompDirectiveNoFileComp))
}

// between opens the source and the target and runs do with them. The source must exist. The
// target is created only after ask has returned nil.
func (c *ctl) between(ctx context.Context, to target, ask func() error, do func(dst, src driver.Store) error) (err error) {
	to.driver, to.dsn = cmp.Or(to.driver, os.Getenv("SESSION_TO_DRIVER")), cmp.Or(to.dsn, os.Getenv("SESSION_TO_DSN"))
	switch {
	case to.driver == "":
		return usage("name the target with --to-driver and --to-dsn, or SESSION_TO_DRIVER and SESSION_TO_DSN")
	case to.parallel < 1:
		return usage("--parallel must be 1 or more")
	case to.driver == c.driver && to.dsn == c.dsnOrEnv():
		return usage("the target is the same backend as the source; name another with --to-driver and --to-dsn")
	case c.driver == "memory":
		return usage(invisible)
	case to.driver == "memory":
		return ofTarget(usage(wouldBeLost, to.driver))
	}
	src, err := openStore(c.driver, c.dsnOrEnv())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := openStore(to.driver, to.dsn)
	if err != nil {
		return ofTarget(err)
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	for _, store := range []driver.Store{src, dst} {
		if _, clientSide := store.(driver.ClientSide); clientSide {
			return explain(errors.ErrUnsupported)
		}
	}
	if err := mustExist(ctx, src); err != nil {
		return err
	}
	if err := ask(); err != nil {
		return err
	}
	if err := mustBeShared(ctx, dst, to); err != nil {
		return ofTarget(explain(err))
	}
	return explain(do(dst, src))
}

// ofTarget tells an error of the target from one of the source.
func ofTarget(err error) error {
	return fmt.Errorf("target: %w", err)
}

const wouldBeLost = "sessions would be lost when sessionctl exits, because no other process can read this %s store; name another one"

// mustBeShared fails if a second store that is opened with the same DSN does not see the
// records of the first. Records in memory would be lost when sessionctl exits.
func mustBeShared(ctx context.Context, store driver.Store, to target) (err error) {
	other, err := openStore(to.driver, to.dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	shows, err := move.Shows(ctx, store, other)
	if err == nil && !shows {
		err = usage(wouldBeLost, to.driver)
	}
	return err
}
