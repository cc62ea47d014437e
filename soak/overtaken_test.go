package main

import (
	"net/http"
	"testing"
	"time"

	"gosession.dev/session/soak/wire"
)

// script sends requests of one browser's tabs in the order of a test.
type script struct {
	account *account
	cookie  string
}

func newScript() *script {
	s := &script{account: newAccount(backend{})}
	s.answer(s.send(add, "", "guest"), "guest", "", "old")
	return s
}

func (s *script) send(op op, id, born string) *request {
	r := &request{op: op, user: "ada", id: id, born: born, idle: time.Hour}
	s.account.begin(r)
	return r
}

// answer is one that shows a session and a user, and sets a cookie; "" is none.
func (s *script) answer(r *request, born, user, cookie string) {
	n := 0
	if born != "" {
		n = 1
	}
	got := answer{status: http.StatusOK, view: wire.View{Born: born, User: user, N: n}}
	if cookie != "" || r.op == logout {
		got.cookie = &cookie
	}
	s.finish(r, got)
}

func (s *script) finish(r *request, got answer) {
	got.at = time.Now()
	s.account.end(r, got)
	if got.cookie != nil {
		s.account.replaced(r, got, s.cookie)
		s.cookie = *got.cookie
	}
}

// signIn signs in, and returns a request that this overtakes.
func (s *script) signIn() (overtaken *request) {
	in, overtaken := s.send(login, "old", "in"), s.send(add, "old", "late")
	s.answer(in, "guest", "ada", "new")
	return overtaken
}

func TestOvertaken(t *testing.T) {
	for name, test := range map[string]struct {
		run       func(*script)
		want      [wrongs]int
		overtaken int
		late      int
	}{
		"it opens a session": {
			run:       func(s *script) { s.answer(s.signIn(), "late", "", "other") },
			want:      [wrongs]int{takenAway: 1},
			overtaken: 1,
		},
		"409": {
			run:       func(s *script) { s.finish(s.signIn(), answer{status: http.StatusConflict}) },
			overtaken: 1,
		},
		"409 for no reason": {
			run:  func(s *script) { s.finish(s.send(look, "old", ""), answer{status: http.StatusConflict}) },
			want: [wrongs]int{loggedOut: 1},
		},
		"its answer comes before the sign-in's": {
			run: func(s *script) {
				in, r := s.send(login, "old", "in"), s.send(add, "old", "late")
				s.answer(r, "late", "", "other")
				s.answer(in, "guest", "ada", "new")
			},
		},
		"a sign-out ends the session before": {
			run: func(s *script) {
				out, in, r := s.send(logout, "old", ""), s.send(login, "old", "in"), s.send(add, "old", "late")
				s.answer(out, "guest", "", "")
				s.answer(in, "in", "ada", "new")
				s.answer(r, "late", "", "other")
			},
			overtaken: 0,
			late:      1,
		},
		"after a double click": {
			run: func(s *script) {
				again := s.send(login, "old", "again")
				r := s.signIn()
				s.answer(again, "again", "ada", "newer")
				s.answer(r, "late", "", "other")
			},
			want:      [wrongs]int{takenAway: 1},
			overtaken: 1,
		},
		"a sign-out under the new ID": {
			run: func(s *script) {
				out := s.send(logout, "old", "")
				s.signIn()
				s.answer(out, "", "", "")
				s.answer(s.send(look, "new", ""), "guest", "ada", "")
			},
			want: [wrongs]int{revived: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			test.run(s)
			a := s.account
			if a.wrong != test.want || a.overtook.requests != test.overtaken || a.overtook.late != test.late {
				t.Errorf("wrong %v, overtaken %d, late %d; want %v, %d, %d\n%v", a.wrong, a.overtook.requests, a.overtook.late, test.want, test.overtaken, test.late, a.examples)
			}
		})
	}
}

// The page that a sign-in leads to tells whether it has succeeded.
func TestNotSignedIn(t *testing.T) {
	for name, test := range map[string]struct {
		signOut bool
		user    string // of the page
		want    int
	}{
		"signed in":            {user: "ada", want: 0},
		"not signed in":        {user: "", want: 1},
		"signed out meanwhile": {signOut: true, user: "", want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			in := s.send(login, "old", "in")
			if test.signOut {
				s.send(logout, "old", "")
			}
			id := "old"
			if test.user == "" {
				s.answer(in, "guest", "ada", "") // dropped
			} else {
				s.answer(in, "guest", "ada", "new")
				id = "new"
			}
			next := s.send(look, id, "")
			next.after = []string{"guest"}
			s.answer(next, "guest", test.user, "")
			if got := s.account.wrong[notSignedIn]; got != test.want {
				t.Errorf("false sign-ins: %d; want %d\n%v", got, test.want, s.account.examples)
			}
		})
	}
}
