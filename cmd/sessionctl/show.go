package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gosession.dev/session"
)

func (c *ctl) show() *cobra.Command {
	var values bool
	cmd := &cobra.Command{
		Use: "show KEY", Short: "show a session, with --values also its values", Args: oneKey,
		Long: `Show the session with this key, as sessionctl list prints it. The values of a session
may be private: they are shown with --values only. SESSION_SECRETS opens sealed ones.`,
		ValidArgsFunction: cobra.NoFileCompletions,
		Example:           "  sessionctl show 3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --values",
		RunE: c.with(func(cmd *cobra.Command, f opened, args []string) error {
			if !isKey.MatchString(args[0]) {
				return errNoKey(1)
			}
			one, err := f.look(cmd.Context(), session.Key(args[0]))
			err = cmp.Or(err, one.unreadable)
			switch {
			case errors.Is(err, session.ErrNotFound):
				return coded{errors.New("no session has this key; it may have ended, or changed its ID"), exitNotFound}
			case err != nil:
				return err
			}
			if c.json {
				o := objectOf(one)
				if values && one.values != nil {
					o.Values = valuesOf(one)
				}
				return c.encode(o)
			}
			if err := c.showText(one); err != nil || !values {
				return err
			}
			return c.showValues(one)
		}),
	}
	cmd.Flags().BoolVar(&values, "values", false, "show the values too; they may be private")
	return cmd
}

func (c *ctl) showText(one found) error {
	for _, line := range [][2]string{
		{"key", plain(string(one.key))},
		{"handle", plain(one.Handle)},
		{"subject", plain(one.Subject)},
		{"label", plain(one.Label)},
		{"created", at(one.Created)},
		{"signed in", signedIn(one)},
		{"last seen", at(one.LastSeen)},
		{"expires", fmt.Sprintf("%s (in %s)", at(one.Expires), in(one.Expires))},
		{"timeouts", timeouts(own(one.Timeouts))},
		{"size", size(one.Size) + sealed(one)},
		{"codec", plain(one.codec)},
	} {
		if line[1] == "" {
			continue
		}
		if err := c.say("%s %s", paint(c.out, bold, fmt.Sprintf("%-10s", line[0])), line[1]); err != nil {
			return err
		}
	}
	return nil
}

func (c *ctl) showValues(one found) error {
	if one.values == nil {
		return c.say("values     sealed; set SESSION_SECRETS to the secrets of the application to open them")
	}
	for _, name := range slices.Sorted(maps.Keys(one.values)) {
		text := string(one.values[name])
		if !json.Valid(one.values[name]) {
			text = fmt.Sprintf("%d bytes, encoded by %s", len(text), one.codec)
		}
		if err := c.say("  %s = %s", plain(name), plain(text)); err != nil {
			return err
		}
	}
	return nil
}

// own returns the timeouts in t that were set for the session itself.
func own(t session.Timeouts) session.Timeouts {
	if t.Idle == noTimeouts.Idle {
		t.Idle = 0
	}
	if t.Lifetime == noTimeouts.Lifetime {
		t.Lifetime = 0
	}
	return t
}

func timeouts(t session.Timeouts) string {
	var all []string
	if t.Idle != 0 {
		all = append(all, fmt.Sprintf("idle %v", t.Idle))
	}
	if t.Lifetime != 0 {
		all = append(all, fmt.Sprintf("lifetime %v", t.Lifetime))
	}
	if t.Persistent {
		all = append(all, "persistent")
	}
	return strings.Join(all, ", ")
}

func signedIn(one found) string {
	if one.Subject == "" {
		return ""
	}
	return at(one.SignedInAt)
}

func sealed(one found) string {
	if one.sealed {
		return ", sealed"
	}
	return ""
}
