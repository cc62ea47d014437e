package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/internal/seal"
)

func (c *ctl) check() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "check that all sessions can be read, and count them by secret", Args: noArgs,
		Long: `Check that all sessions can be read, and count them by the secret that seals them.
Each session that can't be read is listed with the reason.

The table names a secret by its number, 8 hexadecimal digits that reveal nothing about
it. The state says what to do with the secret:

  current         the first of SESSION_SECRETS: it seals and opens
  known           another one of SESSION_SECRETS: it only opens. Remove it, there and
                  in the application, when it has no sessions
  not configured  not in SESSION_SECRETS. Add it, there and in the application; if it
                  is lost, end its sessions with sessionctl end --sealed-under

An application with secrets rejects a session that is not sealed, unless it sets
Config.InsecureReadUnsealed: sessionctl reseal --unsealed seals such sessions.

Without SESSION_SECRETS, check counts sealed sessions and cannot open them.`,
		Example: "  SESSION_SECRETS=$NEW,$OLD sessionctl check\n  sessionctl check --json | jq '.secrets[] | select(.sessions == 0)'",
		RunE: c.with(func(cmd *cobra.Command, f opened, _ []string) error {
			r, err := checked(cmd.Context(), f, func(p problem) {
				if !c.json {
					_ = c.say("%s  %s", plain(string(p.Key)), plain(p.Error))
				}
			})
			if err != nil {
				return err
			}
			if c.json {
				err = c.encode(r)
			} else {
				err = c.sayReport(r, len(f.secrets) > 0)
			}
			return errors.Join(err, r.verdict(f))
		}),
	}
}

// report is the result of check. If SESSION_SECRETS is set, Readable does not include Unsealed.
type report struct {
	Readable   int           `json:"readable"`
	Sealed     int           `json:"sealed_without_secret"`
	Unreadable []problem     `json:"unreadable"`
	Secrets    []sealedUnder `json:"secrets"`
	Unsealed   int           `json:"unsealed"`
}

// problem is a session that no secret makes readable.
type problem struct {
	Key   session.Key `json:"key"`
	Error string      `json:"error"`
}

// checked reads all sessions. It calls tell for each problem as soon as it is found.
func checked(ctx context.Context, f opened, tell func(problem)) (report, error) {
	r := report{Unreadable: []problem{}}
	configured, err := numbersOf(f.secrets)
	if err != nil {
		return r, err
	}
	sessions := map[secretNumber]int{}
	for one, err := range (selection{}).sessions(ctx, f, nil) {
		if err != nil {
			return r, err
		}
		if one.record != nil {
			sessions[secretNumber(seal.Number(one.record.Data))]++
		}
		err := cmp.Or(one.unreadable, readable(one.encoding, one.values))
		switch {
		case err != nil && !isSealed(err):
			p := problem{one.key, err.Error()}
			r.Unreadable = append(r.Unreadable, p)
			tell(p)
		case err != nil, one.values == nil:
			r.Sealed++
		case len(f.secrets) > 0 && !one.sealed: // counted as unsealed
		default:
			r.Readable++
		}
	}
	r.Secrets, r.Unsealed = bySecret(sessions, configured), sessions[""]
	return r, nil
}

// readable returns an error that matches session.ErrCorrupt if a value is not JSON although its
// codec is.
func readable(e encoding, values map[string][]byte) error {
	for name, value := range values {
		if e.codec == session.JSON.Name() && !json.Valid(value) {
			return fmt.Errorf("%w: the value %q is not JSON", session.ErrCorrupt, name)
		}
	}
	return nil
}

func (c *ctl) sayReport(r report, hasSecrets bool) error {
	err := c.say("can be read: %d", r.Readable)
	if hasSecrets && r.Unsealed > 0 {
		err = c.say("not sealed, and rejected by applications that have secrets: %d", r.Unsealed)
	}
	if r.Sealed > 0 {
		err = c.say("sealed under secrets that are not in SESSION_SECRETS: %d", r.Sealed)
	}
	if len(r.Secrets) == 0 {
		return err
	}
	t := table{right: map[int]bool{2: true}}
	t.add("SECRET", "STATE", "SESSIONS")
	for _, s := range r.Secrets {
		t.add(string(s.Number), s.State, fmt.Sprint(s.Sessions))
	}
	t.add("none", "not sealed", fmt.Sprint(r.Unsealed))
	return errors.Join(err, t.print(c.out, true))
}

// verdict returns the error with which check ends, or nil.
func (r report) verdict(f opened) error {
	switch n := len(r.Unreadable); {
	case n > 0:
		return coded{fmt.Errorf("sessions that can't be read: %d; the reason is beside each key. If the data is of no use, end them with sessionctl end KEY", n), exitCorrupt}
	case r.Sealed > 0 && len(f.secrets) > 0:
		return coded{fmt.Errorf("sessions sealed under secrets that SESSION_SECRETS does not have: %d; add the secrets, or end these sessions with sessionctl end --sealed-under", r.Sealed), exitCorrupt}
	case r.Unsealed > 0 && len(f.secrets) > 0:
		return coded{fmt.Errorf("sessions that are not sealed: %d; applications that have secrets reject them, unless they set Config.InsecureReadUnsealed; seal them with sessionctl reseal --unsealed", r.Unsealed), exitCorrupt}
	}
	return nil
}
