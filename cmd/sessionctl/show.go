package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
)

func (c *ctl) show() *cobra.Command {
	var values, asJSON bool
	cmd := &cobra.Command{
		Use: "show KEY", Short: "show a session, and its values if you ask for them", Args: exactly(1, "a key, as list shows it"),
		ValidArgsFunction: cobra.NoFileCompletions,
		Example:           "  sessionctl show 3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --values",
		RunE: c.with(func(cmd *cobra.Command, f opened, args []string) error {
			if !isKeyOfSession(args[0]) {
				return fmt.Errorf("%s: %w", plain(args[0]), session.ErrNotFound)
			}
			d, err := f.Inspect(cmd.Context(), session.Key(args[0]))
			if err != nil {
				return err
			}
			if asJSON {
				return c.showJSON(d, values)
			}
			c.showText(d)
			if values {
				c.showValues(d)
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&values, "values", false, "its values too: they may be nobody's business")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON object")
	return cmd
}

func (c *ctl) showText(d session.Details) {
	for _, line := range [][2]string{
		{"key", plain(string(d.Key))},
		{"subject", plain(d.Subject)},
		{"label", plain(d.Label)},
		{"created", at(d.Created)},
		{"signed in", signedIn(d)},
		{"last seen", at(d.LastSeen)},
		{"expires", fmt.Sprintf("%s (in %s)", at(d.Expires), in(d.Expires))},
		{"timeouts", timeouts(d.Timeouts)},
		{"size", size(d.Size) + sealed(d)},
		{"codec", d.Codec},
	} {
		if line[1] != "" {
			fmt.Fprintf(c.out, "%s %s\n", paint(c.out, bold, fmt.Sprintf("%-10s", line[0])), line[1])
		}
	}
}

func (c *ctl) showValues(d session.Details) {
	if d.Values == nil {
		fmt.Fprintln(c.out, "values     sealed; SESSION_KEYS opens them")
		return
	}
	for _, key := range slices.Sorted(maps.Keys(d.Values)) {
		text := string(d.Values[key])
		if !json.Valid(d.Values[key]) {
			text = fmt.Sprintf("%d bytes of %s", len(text), d.Codec)
		}
		fmt.Fprintf(c.out, "  %s = %s\n", plain(key), plain(text))
	}
}

func (c *ctl) showJSON(d session.Details, values bool) error {
	object := jsonOf(d)
	if values && d.Values != nil {
		all := map[string]any{}
		for key, value := range d.Values {
			all[key] = value // as Base64
			if json.Valid(value) {
				all[key] = json.RawMessage(value)
			}
		}
		object["values"] = all
	}
	return json.NewEncoder(c.out).Encode(object)
}

func at(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// timeouts are those that the session has of its own, if it has.
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

func signedIn(d session.Details) string {
	if d.Subject == "" {
		return ""
	}
	return at(d.Authenticated)
}

func sealed(d session.Details) string {
	if d.Sealed {
		return ", sealed"
	}
	return ""
}
