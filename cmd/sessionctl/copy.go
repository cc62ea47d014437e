package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/move"
)

func (c *ctl) copy() *cobra.Command {
	var to target
	var replace bool
	cmd := &cobra.Command{
		Use: "copy", Short: "copy all live sessions to another backend", Args: noArgs,
		Long: `Copy all live sessions to another backend, the target, for a backup or a test.
Name it with --to-driver and --to-dsn, or in the environment with SESSION_TO_DRIVER and
SESSION_TO_DSN.

The source keeps its sessions, and applications may use it meanwhile. The copy of a
session is its state at one moment; a session that begins or ends while copy runs
may be in the copy or not. Sealed sessions stay sealed: copy needs no secret.

A session that is already in the target stays as it is there, and is counted as kept if
it differs; --replace overwrites it. A session that ended in the target during a
migration does not come back.

You can interrupt copy and run it again. The copy does not follow the source: a session
that ends in the source later is still alive in the copy, and signs its user in
wherever the copy is used. So end the copied sessions of users whose accounts were
locked since.`,
		Example: "  sessionctl copy -driver mongo -dsn mongodb://host/app --to-driver sqlite --to-dsn file:backup.db",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.between(cmd.Context(), to, func() error { return nil }, func(dst, src driver.Store) error {
				if same, err := move.Shows(cmd.Context(), dst, src); same || err != nil {
					return cmp.Or(err, usage("the source and the target are the same backend, or one contains the other; nothing was copied; name another target"))
				}
				return c.copyAll(cmd.Context(), &copying{dst: dst, src: src, replace: replace}, to.parallel)
			})
		},
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "overwrite sessions of the target that differ")
	return cmd
}

func (c *ctl) copyAll(ctx context.Context, cp *copying, parallel int) error {
	p := newProgress(c.err)
	cp.tell = p.tell
	err := cp.run(ctx, parallel)
	s := cp.stats
	p.end(s.done(), s.Total)
	if s.done() > 0 || err == nil {
		s.Seconds = time.Since(p.begin).Seconds()
		err = errors.Join(err, c.sayCopied(s))
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; run the command again to continue")
	}
	if s.Left > 0 {
		err = errors.Join(err, errLeft(s.Left))
	}
	return err
}

func (c *ctl) sayCopied(s copyStats) error {
	took := time.Duration(s.Seconds * float64(time.Second)).Round(time.Millisecond)
	if err := c.result(s, "copied: %d of %d in %v", s.Copied, s.Total, took); err != nil || c.json {
		return err
	}
	for _, line := range []struct {
		n    int
		text string
	}{
		{s.Replaced, "replaced"},
		{s.Same, "already there"},
		{s.Kept, "kept in the target, where they differ (--replace overwrites them)"},
		{s.Ended, "ended while copy was running"},
	} {
		if line.n == 0 {
			continue
		}
		if err := c.say("%s: %d", line.text, line.n); err != nil {
			return err
		}
	}
	return nil
}
