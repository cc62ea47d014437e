package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/internal/seal"
)

func (c *ctl) check() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check", Short: "see whether all sessions can be read, and under which secrets they are sealed", Args: cobra.NoArgs,
		Long: `See whether all sessions can be read, and count them by the secret that they are
sealed under.

A secret is named by its number, 8 hexadecimal digits, which tells nothing of the
secret. The first secret of SESSION_KEYS is the current one: it seals. The others are
known: they only open, and one that has no sessions can be dropped. A secret that is
not configured is not in SESSION_KEYS: add it, there and in the application, or, if
it is lost, end its sessions by sessionctl end --sealed-under.

It exits with 4 if there are sessions that can't be read. Without SESSION_KEYS,
sealed sessions are only counted.`,
		Example: "  SESSION_KEYS=$NEW,$OLD sessionctl check\n  sessionctl check --json | jq '.secrets[] | select(.sessions == 0)'",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			r, err := checked(cmd.Context(), f, func(p problem) {
				if !asJSON {
					_ = c.say("%s  %v", plain(string(p.Key)), p.Error)
				}
			})
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(c.out).Encode(r)
			} else {
				err = c.sayReport(r)
			}
			return errors.Join(err, r.verdict(f))
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON object")
	return cmd
}

// report is what check has found.
type report struct {
	Readable   int           `json:"readable"`
	Sealed     int           `json:"sealed_without_secret"`
	Unreadable []problem     `json:"unreadable"`
	Secrets    []sealedUnder `json:"secrets"`
	Unsealed   int           `json:"unsealed"`
}

// problem is a session that can't be read, whatever the secrets.
type problem struct {
	Key   session.Key `json:"key"`
	Error string      `json:"error"`
}

// checked looks at all sessions, and tells of each problem when it is found.
func checked(ctx context.Context, f opened, tell func(problem)) (report, error) {
	r := report{Unreadable: []problem{}}
	configured, err := numbersOf(f.secrets)
	if err != nil {
		return r, err
	}
	sessions := map[secretNumber]int{}
	for d, err := range (selection{}).sessions(ctx, f) {
		if err == nil {
			err = readable(d)
		}
		if err != nil && !isUnreadable(err) {
			return r, err
		}
		rec, recErr := f.record(ctx, d.Key)
		switch {
		case errors.Is(recErr, session.ErrNotFound): // it has ended meanwhile
			continue
		case recErr == nil:
			sessions[secretNumber(seal.Number(rec.Data))]++
		case !errors.Is(recErr, session.ErrCorrupt):
			return r, recErr
		}
		switch {
		case err != nil && !isSealed(err):
			p := problem{d.Key, err.Error()}
			r.Unreadable = append(r.Unreadable, p)
			tell(p)
		case err != nil, d.Values == nil:
			r.Sealed++
		default:
			r.Readable++
		}
	}
	r.Secrets, r.Unsealed = bySecret(sessions, configured), sessions[""]
	return r, nil
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

func (c *ctl) sayReport(r report) error {
	err := c.say("can be read: %d", r.Readable)
	if r.Sealed > 0 {
		err = c.say("sealed, without secrets to open them: %d", r.Sealed)
	}
	if len(r.Secrets) == 0 {
		return err
	}
	const columns = "%-8s  %-14s  %8s"
	_ = c.say("%s", paint(c.out, bold, fmt.Sprintf(columns, "SECRET", "STATE", "SESSIONS")))
	for _, s := range r.Secrets {
		_ = c.say(columns, s.Number, s.State, fmt.Sprint(s.Sessions))
	}
	return c.say(columns, "none", "not sealed", fmt.Sprint(r.Unsealed))
}

// verdict is the error with which check ends, if there is one.
func (r report) verdict(f opened) error {
	switch n := len(r.Unreadable); {
	case n > 0:
		return coded{fmt.Errorf("%d sessions can't be read", n), exitCorrupt}
	case r.Sealed > 0 && len(f.secrets) > 0:
		return coded{fmt.Errorf("%d sessions are sealed under secrets that SESSION_KEYS does not have", r.Sealed), exitCorrupt}
	}
	return nil
}
