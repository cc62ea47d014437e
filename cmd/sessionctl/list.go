package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

// selection is which sessions a command is about.
type selection struct {
	subject   string // "" is any
	olderThan age
	limit     int // 0 is none
}

func (s *selection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.subject, "subject", "", "only those of this subject")
	cmd.Flags().Var(&s.olderThan, "older-than", "only those that began so long ago, as in 12h or 30d")
	cmd.Flags().IntVar(&s.limit, "limit", 0, "no more than so many")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if s.limit < 0 {
			return usage("--limit must not be below 0")
		}
		return notEmpty(cmd, "subject")
	}
}

// notEmpty refuses a flag that was given without a value, as a script does whose variable
// is not set: that would mean everybody.
func notEmpty(cmd *cobra.Command, name string) error {
	if flag := cmd.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
		return usage("--%s is empty", name)
	}
	return nil
}

func (c *ctl) list() *cobra.Command {
	var s selection
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "list live sessions", Args: cobra.NoArgs,
		Example: "  sessionctl list --older-than 30d --json | jq -r .key",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			p := printer{out: c.out, json: asJSON}
			for d, err := range s.sessions(cmd.Context(), f) {
				if err == nil || isUnreadable(err) {
					err = p.print(d, err)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}),
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

// sessions are those that are selected, as they are found. One that can't be read comes
// with its key, and an error that isUnreadable recognizes.
func (s selection) sessions(ctx context.Context, f opened) iter.Seq2[session.Details, error] {
	return func(yield func(session.Details, error) bool) {
		n := 0
		for key, err := range s.keys(ctx, f) {
			var d session.Details
			if err == nil {
				d, err = f.Inspect(ctx, key)
			}
			switch {
			case errors.Is(err, session.ErrNotFound): // it has ended meanwhile
				continue
			case isUnreadable(err) && s.isAny(): // else nobody knows whether it is meant
				d = session.Details{Info: session.Info{Key: key}}
			case isUnreadable(err), err == nil && !s.selects(d):
				continue
			}
			if !yield(d, err) || err != nil && !isUnreadable(err) {
				return
			}
			if n++; n == s.limit {
				return
			}
		}
	}
}

// isAny reports whether there is no condition.
func (s selection) isAny() bool { return s.subject == "" && s.olderThan == 0 }

func (s selection) selects(d session.Details) bool {
	return (s.subject == "" || d.Subject == s.subject) && (s.olderThan == 0 || time.Since(d.Created) > time.Duration(s.olderThan))
}

// keys asks for those of the subject if the store can find them, and for all else.
func (s selection) keys(ctx context.Context, f opened) iter.Seq2[session.Key, error] {
	if s.subject == "" {
		return f.Sessions(ctx)
	}
	return func(yield func(session.Key, error) bool) {
		for info, err := range f.SubjectSessions(ctx, s.subject) {
			if errors.Is(err, errors.ErrUnsupported) {
				f.Sessions(ctx)(yield)
				return
			}
			if !yield(info.Key, err) {
				return
			}
		}
	}
}

// printer prints sessions, a line each.
type printer struct {
	out   io.Writer
	json  bool
	begun bool
}

const columns = "%-43s  %-16s  %-11s  %8s  %s\n"

// print prints a session, or that it can't be read.
func (p *printer) print(d session.Details, unreadable error) error {
	if p.json && unreadable != nil {
		return json.NewEncoder(p.out).Encode(map[string]any{"key": d.Key, "error": why(unreadable)})
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(jsonOf(d))
	}
	if !p.begun {
		p.begun = true
		fmt.Fprint(p.out, paint(p.out, bold, fmt.Sprintf(columns, "KEY", "CREATED", "EXPIRES IN", "SIZE", "SUBJECT")))
	}
	if unreadable != nil {
		_, err := fmt.Fprintf(p.out, "%-43s  can't be read\n", plain(string(d.Key)))
		return err
	}
	_, err := fmt.Fprintf(p.out, columns, plain(string(d.Key)), d.Created.Local().Format("2006-01-02 15:04"), in(d.Expires), size(d.Size), plain(oneOf(d.Subject, d.Label)))
	return err
}

func why(unreadable error) string {
	if isSealed(unreadable) {
		return driver.ErrSealed.Error()
	}
	return session.ErrCorrupt.Error()
}

// jsonOf is a session as other programs read it.
func jsonOf(d session.Details) map[string]any {
	return map[string]any{
		"key": d.Key, "created": d.Created, "expires": d.Expires, "last_seen": d.LastSeen,
		"subject": d.Subject, "label": d.Label, "size": d.Size, "sealed": d.Sealed,
	}
}
