package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/seal"
	"gosession.dev/session/internal/subjectmark"
)

func (c *ctl) end() *cobra.Command {
	var subject string
	var until moment
	var number secretNumber
	var all, yes bool
	cmd := &cobra.Command{
		Use: "end [KEY... | --subject SUBJECT | --sealed-under NUMBER | --all]", Short: "end sessions: by key, of a subject, of a lost secret, or all",
		Long: `End the sessions with these keys, which sessionctl list prints; or all sessions of a
subject; or all that are sealed under a secret; or all.

--subject: use it when an account is locked or its password has changed. A sign-in
that is in progress fails too. If the subject has no sessions, the command
succeeds and prints "ended: 0". If the application still imports sessions of another
library, give the day on which the import ends with --until: until then, the
application imports no session of the subject that began before this command.

--sealed-under: use it when a secret is lost. Otherwise the users of its sessions get
an error until the sessions expire. sessionctl check prints the numbers of secrets.

--all and --sealed-under ask before they end anything; --yes answers.`,
		Example: `  sessionctl end --subject user:42
  sessionctl end --sealed-under 1f2e3d4c
  sessionctl list --older-than 30d --json | jq -r .key | xargs -r sessionctl end`,
		ValidArgsFunction: cobra.NoFileCompletions,
		PreRunE:           func(cmd *cobra.Command, _ []string) error { return notEmpty(cmd, "subject") },
		RunE: c.with(func(cmd *cobra.Command, f opened, args []string) error {
			switch {
			case countTrue(len(args) > 0, subject != "", number != "", all) != 1:
				return usage("say what to end: give keys, or one of --subject, --sealed-under and --all")
			case subject == "" && !until.IsZero():
				return usage("--until needs --subject: it is about the import of one subject's sessions")
			case subject != "":
				return c.endSubject(cmd, f, subject, until.Time)
			case len(args) > 0:
				return c.endKeys(cmd, f, args)
			}
			question, err := c.question(f, number)
			if err != nil {
				return err
			}
			if !yes && !c.confirms(cmd.Context(), question) {
				return errors.New("not confirmed; no session was ended")
			}
			if number != "" {
				return c.endSealedUnder(cmd, f, number)
			}
			return c.endEach(cmd, f, f.Sessions(cmd.Context()))
		}),
	}
	cmd.Flags().StringVar(&subject, "subject", "", "end all sessions of this subject")
	cmd.Flags().Var(&until, "until", "with --subject: when the application stops importing sessions of another library")
	cmd.Flags().Var(&number, "sealed-under", "end all sessions that are sealed under the secret with this number")
	cmd.Flags().BoolVar(&all, "all", false, "end all sessions")
	cmd.Flags().BoolVar(&yes, "yes", false, "end the sessions without asking")
	return cmd
}

// question returns what to ask before end ends all sessions, or all sessions sealed under a secret.
func (c *ctl) question(f opened, number secretNumber) (string, error) {
	if number == "" {
		return "End all sessions and sign out all users?", nil
	}
	configured, err := numbersOf(f.secrets)
	if err != nil || len(configured) == 0 {
		return fmt.Sprintf("End all sessions that are sealed under %s?", number), err
	}
	return fmt.Sprintf("End all sessions that are sealed under %s? The state of this secret is: %s.", number, stateOf(number, configured)), nil
}

// ended prints how many sessions the command has ended.
func (c *ctl) ended(n int) error { return c.result(map[string]int{"ended": n}, "ended: %d", n) }

// endKeys ends the sessions with these keys. It goes on after a key that has no session, and
// names such keys in its error.
func (c *ctl) endKeys(cmd *cobra.Command, f opened, keys []string) error {
	for i, key := range keys {
		if !isKey.MatchString(key) {
			return errNoKey(i + 1) // before it ends anything
		}
	}
	n := 0
	var missing []string
	for _, key := range keys {
		switch err := f.Destroy(cmd.Context(), session.Key(key)); {
		case err == nil:
			n++
		case errors.Is(err, session.ErrNotFound):
			missing = append(missing, key)
		default:
			return errors.Join(err, c.ended(n))
		}
	}
	err := c.ended(n)
	if len(missing) > 0 {
		return coded{fmt.Errorf("no sessions have these keys: %s", strings.Join(missing, " ")), exitNotFound}
	}
	return err
}

// endSubject ends the sessions of a subject. It writes the subject's mark first, so that a
// sign-in that is in progress fails.
func (c *ctl) endSubject(cmd *cobra.Command, f opened, subject string, until time.Time) error {
	ctx := cmd.Context()
	if err := f.mark(ctx, subject, until); err != nil {
		return err
	}
	if _, lists := f.store.(driver.SubjectLister); !lists {
		return c.endUnlisted(cmd, f, subject)
	}
	before, err := count(f.subjectKeys(ctx, subject))
	if err != nil {
		return err
	}
	err = f.DestroySubject(ctx, subject)
	if errors.Is(err, errors.ErrUnsupported) {
		return c.endUnlisted(cmd, f, subject)
	}
	if err != nil {
		return err
	}
	if before == 0 {
		fmt.Fprintln(c.err, "sessionctl: the subject has no sessions; check its spelling")
	}
	return c.ended(before)
}

// endUnlisted is endSubject for a store that can't list the sessions of a subject. A store that
// ends them in one step, such as memcached, does not say how many there were. For any other
// store, endUnlisted reads all records to find them.
func (c *ctl) endUnlisted(cmd *cobra.Command, f opened, subject string) error {
	err := f.DestroySubject(cmd.Context(), subject)
	if err == nil {
		return c.result(map[string]any{"ended": nil}, "ended: all sessions of the subject; this driver does not count them")
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	var h hidden
	defer h.say(c.err)
	return c.endEach(cmd, f, f.keysWhere(cmd.Context(), h.add, func(r *driver.Record) bool { return r.Subject == subject }))
}

// count counts keys, up to the first error.
func count(keys iter.Seq2[session.Key, error]) (n int, err error) {
	for _, err := range keys {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// mark writes the subject's mark. It lasts until the given time, or until now if that has
// passed, and then for subjectmark.Lifetime, the longest time that a sign-in may take.
func (f opened) mark(ctx context.Context, subject string, until time.Time) error {
	if _, clientSide := f.store.(driver.ClientSide); clientSide {
		return errors.ErrUnsupported
	}
	now := time.Now()
	if until.Before(now) {
		until = now
	}
	return bounded.Call(ctx, storeTimeout, func(ctx context.Context) error {
		return subjectmark.Write(ctx, f.store, subject, now, until.Add(subjectmark.Lifetime))
	})
}

// endSealedUnder ends the sessions that are sealed under the secret with this number. It does
// not need the secret.
func (c *ctl) endSealedUnder(cmd *cobra.Command, f opened, number secretNumber) error {
	var h hidden
	defer h.say(c.err)
	return c.endEach(cmd, f, f.keysWhere(cmd.Context(), h.add, func(r *driver.Record) bool {
		return seal.Number(r.Data) == string(number)
	}))
}

// endEach ends the sessions with these keys. Keys whose sessions have already ended do not count.
func (c *ctl) endEach(cmd *cobra.Command, f opened, keys iter.Seq2[session.Key, error]) error {
	n := 0
	for key, err := range keys {
		if err == nil {
			err = f.Destroy(cmd.Context(), key)
		}
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return errors.Join(err, c.ended(n))
		}
		if err == nil {
			n++
		}
	}
	return c.ended(n)
}

// countTrue returns how many conditions are true.
func countTrue(conditions ...bool) (n int) {
	for _, is := range conditions {
		if is {
			n++
		}
	}
	return n
}
