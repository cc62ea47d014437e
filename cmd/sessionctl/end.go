package main

import (
	"bufio"
	"context"
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
		Example:           "  sessionctl end --subject user:42\n  sessionctl list --older-than 30d --json | jq -r .key | xargs -r sessionctl end",
		ValidArgsFunction: cobra.NoFileCompletions,
		PreRunE:           func(cmd *cobra.Command, _ []string) error { return notEmpty(cmd, "subject") },
		RunE: c.with(func(cmd *cobra.Command, f *session.Factory, args []string) error {
			switch {
			case count(len(args) > 0, subject != "", all) != 1:
				return usage("say what to end: keys, or --subject, or --all")
			case all && !yes && !c.confirms(cmd.Context(), "End all sessions, and sign everybody out?"):
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
func (c *ctl) endKeys(cmd *cobra.Command, f *session.Factory, keys []string) error {
	ended := 0
	var missing []string
	for _, key := range keys {
		err := f.Destroy(cmd.Context(), session.Key(key))
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

func (c *ctl) endSubject(cmd *cobra.Command, f *session.Factory, subject string) error {
	err := f.DestroySubject(cmd.Context(), subject)
	if !errors.Is(err, errors.ErrUnsupported) {
		if err == nil {
			err = c.say("all sessions of %q have ended", subject)
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
			if !yield(d.Key, err) {
				return
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
