package main

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
)

func (c *ctl) count() *cobra.Command {
	var s selection
	cmd := &cobra.Command{
		Use: "count", Short: "count live sessions", Args: cobra.NoArgs,
		Example: "  sessionctl count --subject user:42",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			n := 0
			if s == (selection{}) {
				for _, err := range f.Sessions(cmd.Context()) {
					if err != nil {
						return err
					}
					n++
				}
				return c.say("%d", n)
			}
			for _, err := range s.sessions(cmd.Context(), f) {
				if err != nil && !isUnreadable(err) {
					return err
				}
				n++
			}
			return c.say("%d", n)
		}),
	}
	s.flags(cmd)
	return cmd
}

func (c *ctl) sweep() *cobra.Command {
	return &cobra.Command{
		Use: "sweep", Short: "delete sessions that have expired", Args: cobra.NoArgs,
		Example: "  sessionctl sweep   # from cron, where no application sweeps",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			n, err := f.DeleteExpired(cmd.Context())
			return errors.Join(err, c.say("deleted: %d", n))
		}),
	}
}

func (c *ctl) ping() *cobra.Command {
	return &cobra.Command{
		Use: "ping", Short: "see whether the backend can serve", Args: cobra.NoArgs,
		Example: "  sessionctl ping && systemctl start shop",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			if err := f.Ping(cmd.Context()); err != nil { // connects, and prepares what is missing
				return err
			}
			begin := time.Now()
			if err := f.Ping(cmd.Context()); err != nil {
				return err
			}
			return c.say("ok, %v", time.Since(begin).Round(time.Microsecond))
		}),
	}
}

func (c *ctl) drivers() *cobra.Command {
	return &cobra.Command{
		Use: "drivers", Short: "list the drivers", Args: cobra.NoArgs,
		Example: "  sessionctl drivers",
		RunE: func(*cobra.Command, []string) error {
			return c.say("%s", strings.Join(session.Drivers(), "\n"))
		},
	}
}
