package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/bounded"
)

// selection says which sessions a command is about.
type selection struct {
	subject   string // "" selects every subject
	olderThan age    // 0 selects every age
}

func (s *selection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.subject, "subject", "", "only sessions of this subject")
	cmd.Flags().Var(&s.olderThan, "older-than", "only sessions created longer ago than this, such as 12h or 30d")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return notEmpty(cmd, "subject") }
}

// notEmpty rejects a flag whose value is empty, for instance because a variable of a script is
// not set. Otherwise --subject= would select all subjects.
func notEmpty(cmd *cobra.Command, name string) error {
	if flag := cmd.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
		return usage("--%s is empty; give it a value", name)
	}
	return nil
}

// isAny reports whether s selects every session.
func (s selection) isAny() bool { return s == selection{} }

func (s selection) selects(subject string, created time.Time) bool {
	return (s.subject == "" || subject == s.subject) && (s.olderThan == 0 || time.Since(created) > time.Duration(s.olderThan))
}

// found is a selected session.
type found struct {
	session.Info
	key    session.Key
	values map[string][]byte // encoded by their codec; nil if they are sealed under an unknown secret
	encoding
	record     *driver.Record // as the store has it; nil if the store can't read it
	unreadable error          // why the session can't be decoded; then Info has only what the record says
}

// sessions yields the selected sessions, in the order of the backend. The record of a session
// that can't be decoded still says its subject and when it was created. If the store can't read
// the record either, and s selects only some sessions, sessions calls hidden instead: the
// session may be one of them.
func (s selection) sessions(ctx context.Context, f opened, hidden func()) iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		for key, err := range s.keys(ctx, f) {
			var one found
			if err == nil {
				one, err = f.look(ctx, key)
			}
			switch {
			case errors.Is(err, session.ErrNotFound): // it ended after its key was listed
				continue
			case err != nil:
				yield(found{}, err)
				return
			case one.unreadable != nil && one.Created.IsZero() && !s.isAny():
				hidden()
				continue
			case !s.isAny() && !s.selects(one.Subject, one.Created):
				continue
			}
			if !yield(one, nil) {
				return
			}
		}
	}
}

// look reads a session. It returns no error if the session can't be decoded, but sets
// found.unreadable.
func (f opened) look(ctx context.Context, key session.Key) (found, error) {
	var r driver.Record
	info, values, err := f.Inspect(context.WithValue(ctx, noteIn{}, &r), key)
	one := found{Info: info, key: key, values: values}
	if err != nil && !isUnreadable(err) {
		return one, err
	}
	if r.Key != "" {
		one.record = &r
	}
	switch one.unreadable = err; {
	case err == nil:
		one.encoding = encodingOf(&r)
	case one.record != nil:
		one.Subject, one.Created, one.Expires, one.Size = r.Subject, r.Created, r.Expires, len(r.Data)
	}
	return one, nil
}

// keys yields the keys of the sessions that may be selected: the sessions of the subject, if the store
// can list them, and otherwise all.
func (s selection) keys(ctx context.Context, f opened) iter.Seq2[session.Key, error] {
	if s.subject == "" {
		return f.Sessions(ctx)
	}
	return f.subjectKeys(ctx, s.subject)
}

// hidden counts the sessions whose records the store can't read.
type hidden int

func (h *hidden) add() { *h++ }

func (h *hidden) say(w io.Writer) {
	if *h > 0 {
		fmt.Fprintf(w, "sessionctl: %d sessions can't be read at all, and may be among those that you asked for; sessionctl check lists them\n", *h)
	}
}

// subjectKeys yields the keys of a subject's sessions, including those that can't be decoded.
// If the store can't list the sessions of a subject, it yields the keys of all sessions.
func (f opened) subjectKeys(ctx context.Context, subject string) iter.Seq2[session.Key, error] {
	return func(yield func(session.Key, error) bool) {
		lister, ok := f.store.(driver.SubjectLister)
		if !ok {
			f.Sessions(ctx)(yield)
			return
		}
		list := func(ctx context.Context) iter.Seq2[string, error] { return lister.SubjectSessions(ctx, subject) }
		for key, err := range bounded.List(ctx, storeTimeout, list) {
			switch {
			case errors.Is(err, errors.ErrUnsupported): // the store wraps another one that can't
				f.Sessions(ctx)(yield)
				return
			case err == nil && !isKeyOfSession(key):
				continue
			}
			if !yield(session.Key(key), err) || err != nil {
				return
			}
		}
	}
}
