package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/seal"
	"gosession.dev/session/internal/subjectmark"
)

func (c *ctl) end() *cobra.Command {
	var subject string
	var until moment
	var number secretNumber
	var all, yes bool
	cmd := &cobra.Command{
		Use: "end [KEY...]", Short: "end sessions: by key, all of a subject, all of a lost secret, or all",
		Long: `End sessions: by key, all of a subject, all that are sealed under a secret, or all.

End the sessions of a subject when an account is locked or a password was changed. A
sign-in that began before fails, even if it completes afterwards. If the application
still imports sessions of another library, give the end of the import as --until: a
session that began before this command is not imported.

End the sessions of a secret when the secret is lost: until they expire, their users
get an error. sessionctl check shows the numbers.`,
		Example: `  sessionctl end --subject user:42
  sessionctl end --sealed-under 1f2e3d4c
  sessionctl list --older-than 30d --json | jq -r .key | xargs -r sessionctl end`,
		ValidArgsFunction: cobra.NoFileCompletions,
		PreRunE:           func(cmd *cobra.Command, _ []string) error { return notEmpty(cmd, "subject") },
		RunE: c.with(func(cmd *cobra.Command, f opened, args []string) error {
			switch {
			case count(len(args) > 0, subject != "", number != "", all) != 1:
				return usage("say what to end: keys, or --subject, or --sealed-under, or --all")
			case subject == "" && !until.IsZero():
				return usage("--until is about the sessions of a subject: name it by --subject")
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
				return errors.New("nothing was ended")
			}
			if number != "" {
				return c.endSealedUnder(cmd, f, number)
			}
			return c.endEach(cmd, f, f.Sessions(cmd.Context()))
		}),
	}
	cmd.Flags().StringVar(&subject, "subject", "", "all sessions of this subject")
	cmd.Flags().Var(&until, "until", "with --subject: when the import of sessions of another library ends")
	cmd.Flags().Var(&number, "sealed-under", "all sessions that are sealed under the secret of this number; asks before")
	cmd.Flags().BoolVar(&all, "all", false, "all sessions; asks before")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// question is what to ask before all sessions are ended, or all of a secret.
func (c *ctl) question(f opened, number secretNumber) (string, error) {
	if number == "" {
		return "End all sessions, and sign everybody out?", nil
	}
	configured, err := numbersOf(f.secrets)
	if err != nil || len(configured) == 0 {
		return fmt.Sprintf("End all sessions that are sealed under %s?", number), err
	}
	return fmt.Sprintf("End all sessions that are sealed under %s? In SESSION_KEYS it is %s.", number, stateOf(number, configured)), nil
}

// confirms asks a question. No answer is no.
func (c *ctl) confirms(ctx context.Context, question string) bool {
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	answered := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(c.in).ReadString('\n')
		answered <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case answer := <-answered:
		return answer == "y" || answer == "yes"
	case <-ctx.Done():
		fmt.Fprintln(c.err)
		return false
	}
}

// endKeys ends all that it can, and says at the end what was not there.
func (c *ctl) endKeys(cmd *cobra.Command, f opened, keys []string) error {
	ended := 0
	var missing []string
	for _, key := range keys {
		err := session.ErrNotFound
		if isKeyOfSession(key) {
			err = f.Destroy(cmd.Context(), session.Key(key))
		}
		switch {
		case err == nil:
			ended++
		case errors.Is(err, session.ErrNotFound):
			missing = append(missing, plain(key))
		default:
			return errors.Join(err, c.say("ended: %d", ended))
		}
	}
	err := c.say("ended: %d", ended)
	if len(missing) > 0 {
		return coded{fmt.Errorf("there were no sessions of these keys: %s", strings.Join(missing, " ")), exitNotFound}
	}
	return err
}

// endSubject writes the subject's mark before it ends anything, so that a sign-in that is
// under way does not escape.
func (c *ctl) endSubject(cmd *cobra.Command, f opened, subject string, until time.Time) error {
	if err := f.mark(cmd.Context(), subject, until); err != nil {
		return err
	}
	err := f.DestroySubject(cmd.Context(), subject)
	if errors.Is(err, errors.ErrUnsupported) { // the store can't find them
		return c.endEach(cmd, f, f.keysWhere(cmd.Context(), func(r *driver.Record) bool { return r.Subject == subject }))
	}
	if err == nil {
		err = c.say("all sessions of %q have ended", subject)
	}
	return err
}

// mark writes the subject's mark and keeps it until that time, or now, and for as long
// again as a sign-in may take.
func (f opened) mark(ctx context.Context, subject string, until time.Time) error {
	if _, clientSide := f.store.(driver.ClientSide); clientSide {
		return errors.ErrUnsupported
	}
	now := time.Now()
	if until.Before(now) {
		until = now
	}
	return inTime(ctx, func(ctx context.Context) error {
		return subjectmark.Write(ctx, f.store, subject, now, until.Add(subjectmark.Lifetime))
	})
}

// endSealedUnder ends the sessions that are sealed under a secret, which it need not have.
func (c *ctl) endSealedUnder(cmd *cobra.Command, f opened, number secretNumber) error {
	return c.endEach(cmd, f, f.keysWhere(cmd.Context(), func(r *driver.Record) bool {
		return seal.Number(r.Data) == string(number)
	}))
}

func (c *ctl) endEach(cmd *cobra.Command, f opened, keys iter.Seq2[session.Key, error]) error {
	ended := 0
	for key, err := range keys {
		if err == nil {
			err = f.Destroy(cmd.Context(), key)
		}
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return errors.Join(err, c.say("ended: %d", ended))
		}
		if err == nil {
			ended++
		}
	}
	return c.say("ended: %d", ended)
}

// say prints a line.
func (c *ctl) say(format string, args ...any) error {
	_, err := fmt.Fprintf(c.out, format+"\n", args...)
	return err
}

func count(these ...bool) (n int) {
	for _, is := range these {
		if is {
			n++
		}
	}
	return n
}
