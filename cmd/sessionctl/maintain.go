package main

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func (c *ctl) count() *cobra.Command {
	var s selection
	cmd := &cobra.Command{
		Use: "count", Short: "count live sessions", Args: noArgs,
		Example: "  sessionctl count --subject user:42",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			n, err := c.counted(cmd, f, s)
			if err != nil {
				return err
			}
			return c.result(map[string]int{"sessions": n}, "%d", n)
		}),
	}
	s.flags(cmd)
	return cmd
}

func (c *ctl) counted(cmd *cobra.Command, f opened, s selection) (n int, err error) {
	if s.isAny() {
		for _, err := range f.Sessions(cmd.Context()) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	var h hidden
	defer h.say(c.err)
	for _, err := range s.sessions(cmd.Context(), f, h.add) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (c *ctl) sweep() *cobra.Command {
	return &cobra.Command{
		Use: "sweep", Short: "delete expired sessions", Args: noArgs,
		Long: `Delete expired sessions. Applications do so themselves, unless they disable it with
Config.SweepInterval: then run sweep from cron.`,
		Example: "  sessionctl sweep",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			n, err := f.DeleteExpired(cmd.Context())
			return errors.Join(err, c.result(map[string]int{"deleted": n}, "deleted: %d", n))
		}),
	}
}

func (c *ctl) ping() *cobra.Command {
	return &cobra.Command{
		Use: "ping", Short: "check that the backend can serve sessions", Args: noArgs,
		Example: "  sessionctl ping && systemctl start shop",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			ctx := driver.WithoutCreating(cmd.Context()) // the cookie driver has a store of its own, for revocations
			if err := f.Ping(ctx); err != nil {
				return err
			}
			begin := time.Now()
			if err := f.Ping(ctx); err != nil {
				return err
			}
			took := time.Since(begin)
			return c.result(map[string]float64{"seconds": took.Seconds()}, "ok, %v", took.Round(time.Microsecond))
		}),
	}
}

func (c *ctl) drivers() *cobra.Command {
	return &cobra.Command{
		Use: "drivers", Short: "list the drivers", Args: noArgs,
		Example: "  sessionctl drivers",
		RunE: func(*cobra.Command, []string) error {
			return c.result(session.Drivers(), "%s", strings.Join(session.Drivers(), "\n"))
		},
	}
}
