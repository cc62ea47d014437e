package main

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"gosession.dev/session"
)

func (c *ctl) end() *cobra.Command {
	var subject string
	var all, yes bool
	cmd := &cobra.Command{
		Use: "end [KEY...]", Short: "end sessions: by key, all of a subject, or all",
		Example: "  sessionctl end --subject user:42\n  sessionctl list --older-than 720h --json | jq -r .key | xargs sessionctl end",
		RunE: c.with(func(cmd *cobra.Command, f *session.Factory, args []string) error {
			switch {
			case count(len(args) > 0, subject != "", all) != 1:
				return usage("say what to end: keys, or --subject, or --all")
			case all && !yes && !c.confirms("End all sessions, and sign everybody out?"):
				return errors.New("nothing was ended")
			case all:
				return c.endAll(cmd, f)
			case subject != "":
				return c.endSubject(cmd, f, subject)
			}
			return c.endKeys(cmd, f, args)
		}),
	}
	cmd.Flags().StringVar(&subject, "subject", "", "all sessions of this subject")
	cmd.Flags().BoolVar(&all, "all", false, "all sessions; asks before")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// confirms asks a question. No answer is no.
func (c *ctl) confirms(question string) bool {
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(c.in).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y") || strings.EqualFold(strings.TrimSpace(answer), "yes")
}

// endKeys ends all that it can, and says at the end what was not there.
func (c *ctl) endKeys(cmd *cobra.Command, f *session.Factory, keys []string) error {
	ended, missing := 0, 0
	for _, key := range keys {
		err := f.Destroy(cmd.Context(), session.Key(key))
		switch {
		case err == nil:
			ended++
		case errors.Is(err, session.ErrNotFound):
			missing++
		default:
			return errors.Join(err, c.say("ended: %d", ended))
		}
	}
	_ = c.say("ended: %d", ended)
	if missing > 0 {
		return coded{fmt.Errorf("there were no sessions of %d of the keys", missing), exitNotFound}
	}
	return nil
}

func (c *ctl) endSubject(cmd *cobra.Command, f *session.Factory, subject string) error {
	err := f.DestroySubject(cmd.Context(), subject)
	if !errors.Is(err, errors.ErrUnsupported) {
		if err == nil {
			_ = c.say("all sessions of %q have ended", subject)
		}
		return err
	}
	return c.endSelected(cmd, f, selection{subject: subject})
}

func (c *ctl) endAll(cmd *cobra.Command, f *session.Factory) error {
	return c.endEach(cmd, f, f.Sessions(cmd.Context()))
}

// endSelected looks at all sessions, for stores that can't find those of a subject.
func (c *ctl) endSelected(cmd *cobra.Command, f *session.Factory, s selection) error {
	return c.endEach(cmd, f, func(yield func(session.Key, error) bool) {
		for d, err := range s.sessions(cmd.Context(), f) {
			if d.Subject == s.subject || err != nil {
				if !yield(d.Key, err) {
					return
				}
			}
		}
	})
}

func (c *ctl) endEach(cmd *cobra.Command, f *session.Factory, keys iter.Seq2[session.Key, error]) error {
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

// say prints a line, and returns nil.
func (c *ctl) say(format string, args ...any) error {
	fmt.Fprintf(c.out, format+"\n", args...)
	return nil
}

func count(these ...bool) (n int) {
	for _, is := range these {
		if is {
			n++
		}
	}
	return n
}
