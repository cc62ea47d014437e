package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/migrate"
)

func (c *ctl) move() *cobra.Command {
	var to target
	var yes bool
	cmd := &cobra.Command{
		Use: "move", Short: "move all live sessions to another backend, and empty the source", Args: noArgs,
		Long: `Move all live sessions to another backend, the target, and empty the source. Name the
target with --to-driver and --to-dsn, or in the environment with SESSION_TO_DRIVER and
SESSION_TO_DSN. To keep the sessions in the source, use copy.

Run it while all applications use both backends through the driver "migrate", or while
no application runs: see go doc gosession.dev/session/drivers/migrate. An application
that uses the source alone signs its users out.

move asks before it begins; without a terminal it needs --yes. You can interrupt it and
run it again: sessions that have moved stay in the target.`,
		Example: "  sessionctl move -driver sqlite -dsn file:sessions.db --to-driver mongo --to-dsn mongodb://host/app",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ask := func() error { return c.mayEmpty(cmd.Context(), yes) }
			return c.between(cmd.Context(), to, ask, func(dst, src driver.Store) error {
				return c.moveAll(cmd.Context(), dst, src, to.parallel)
			})
		},
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "move the sessions without asking")
	return cmd
}

// mayEmpty returns nil if the operator confirms that move may empty the source.
func (c *ctl) mayEmpty(ctx context.Context, yes bool) error {
	switch {
	case yes:
		return nil
	case !isTerminal(c.in):
		return usage("move empties the source, and can't ask for confirmation without a terminal: add --yes, or use copy, which keeps the sessions")
	case c.confirms(ctx, "Move all sessions and empty the source? Applications that use it without the driver migrate sign their users out."):
		return nil
	}
	return errors.New("not confirmed; no session was moved")
}

func (c *ctl) moveAll(ctx context.Context, dst, src driver.Store, parallel int) error {
	p := newProgress(c.err)
	stats, err := migrate.Move(ctx, dst, src, migrate.MoveOptions{Parallel: parallel, Progress: func(s migrate.MoveStats) {
		p.tell(s.Done, s.Total)
	}})
	p.end(stats.Done, stats.Total)
	if stats.Done > 0 || err == nil {
		took := time.Since(p.begin)
		err = errors.Join(err, c.result(map[string]any{
			"moved": stats.Moved, "total": stats.Total, "left": stats.Left, "seconds": took.Seconds(),
		}, "moved: %d of %d in %v", stats.Moved, stats.Total, took.Round(time.Millisecond)))
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; run the command again to continue")
	}
	if stats.Left > 0 {
		err = errors.Join(err, errLeft(stats.Left))
	}
	return err
}

// errLeft is the error of copy and move when n sessions are still in the source only.
func errLeft(n int) error {
	return coded{fmt.Errorf("sessions that were left behind, because they can't be read or are too large for the target: %d; sessionctl check of the source lists those that can't be read", n), exitCorrupt}
}
