package main

import (
	"encoding/json"
	"errors"
	"fmt"
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
		RunE: c.with(func(cmd *cobra.Command, f *session.Factory, _ []string) error {
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
				if err != nil && !errors.Is(err, session.ErrCorrupt) {
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
		RunE: c.with(func(cmd *cobra.Command, f *session.Factory, _ []string) error {
			n, err := f.DeleteExpired(cmd.Context())
			return errors.Join(err, c.say("deleted: %d", n))
		}),
	}
}

func (c *ctl) ping() *cobra.Command {
	return &cobra.Command{
		Use: "ping", Short: "see whether the backend can serve", Args: cobra.NoArgs,
		Example: "  sessionctl ping && systemctl start shop",
		RunE: c.with(func(cmd *cobra.Command, f *session.Factory, _ []string) error {
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

func (c *ctl) check() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "see whether all sessions can be read", Args: cobra.NoArgs,
		Example: "  SESSION_KEYS=$NEW,$OLD sessionctl check",
		RunE: c.with(func(cmd *cobra.Command, f *session.Factory, _ []string) error {
			good, bad, closed := 0, 0, 0
			for d, err := range (selection{}).sessions(cmd.Context(), f) {
				if err == nil {
					err = readable(d)
				}
				switch {
				case errors.Is(err, session.ErrCorrupt):
					bad++
					_ = c.say("%s  %v", plain(string(d.Key)), err)
				case err != nil:
					return err
				case d.Values == nil:
					closed++
				default:
					good++
				}
			}
			_ = c.say("can be read: %d", good)
			if closed > 0 {
				_ = c.say("sealed, without secrets to open them: %d", closed)
			}
			if bad > 0 {
				return coded{fmt.Errorf("%d sessions can't be read", bad), exitCorrupt}
			}
			return nil
		}),
	}
}

// readable tells whether the values are what their codec says.
func readable(d session.Details) error {
	for key, value := range d.Values {
		if d.Codec == session.JSON.Name() && !json.Valid(value) {
			return fmt.Errorf("%w: the value %q is not JSON", session.ErrCorrupt, key)
		}
	}
	return nil
}
