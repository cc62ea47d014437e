package scenario_test

import (
	"context"
	"errors"
	"slices"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

// find returns the session with the given ID, or nil.
func (fl *fleet) find(id string) *session.Session {
	if id == "" {
		return nil
	}
	s, err := fl.outside.Retrieve(context.Background(), session.NewID(id))
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		fl.Errorf("Retrieve = %v; want nil or ErrNotFound", err)
	}
	return s
}

// held returns the sessions that the clients can use: with the IDs that they had before, and with
// those in the answers.
func (fl *fleet) held(before ...string) []*session.Session {
	var found []*session.Session
	for _, a := range fl.answers {
		if a.Ended() && !a.cleared {
			before = append(before, a.cookie)
		}
	}
	for _, id := range before {
		if s := fl.find(id); s != nil {
			found = append(found, s)
		}
	}
	return found
}

func valueOf(s *session.Session, name string) string {
	value, _ := session.Get[string](s, name)
	return value
}

// has reports whether one of the sessions has a value.
func has(sessions []*session.Session, name, value string) bool {
	return slices.ContainsFunc(sessions, func(s *session.Session) bool { return valueOf(s, name) == value })
}

// of returns the number of sessions of a subject.
func (fl *fleet) of(subject string) int {
	n := 0
	for _, err := range fl.backend.(driver.SubjectLister).SubjectSessions(context.Background(), subject) {
		if err != nil {
			fl.Errorf("SubjectSessions yields %v; want nil", err)
		}
		n++
	}
	return n
}

// judgeSignIn checks the answer to a sign-in. mayHaveEnded tells whether its session may have
// ended since.
func (fl *fleet) judgeSignIn(name string, a *answer, subject string, mayHaveEnded bool) {
	if a.cleared {
		fl.Errorf("%s clears the cookie", name)
	}
	if !a.ok() {
		return
	}
	s := fl.find(a.cookie)
	switch {
	case a.cookie == "":
		fl.Errorf("%s is answered 200 without a cookie", name)
	case s == nil && !mayHaveEnded:
		fl.Errorf("%s is answered 200 with a cookie without a session", name)
	case s != nil && s.Subject() != subject:
		fl.Errorf("%s is answered 200 with a session of %q; want one of %q", name, s.Subject(), subject)
	}
}

// judgeBystander checks the answer to a request that does not change the ID, and whose session
// existed when it was sent.
func (fl *fleet) judgeBystander(name string, a *answer) {
	if a.cleared {
		fl.Errorf("%s clears the cookie", name)
	}
	if a.cookie != "" {
		fl.Errorf("%s replaces the cookie", name)
	}
}

// judgeOld checks that an ID that was replaced finds no session.
func (fl *fleet) judgeOld(id string) {
	if fl.find(id) != nil {
		fl.Errorf("the old ID still finds a session")
	}
}
