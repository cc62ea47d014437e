package main

import (
	"net/http"
	"testing"
	"time"

	"gosession.dev/session/soak/wire"
)

// script sends the requests of the tabs of one browser to a model, in the order of a test.
type script struct {
	model  *model
	cookie string
}

// newScript returns a script whose browser has the ID "old" of an anonymous session "guest".
func newScript() *script {
	s := &script{model: newModel(backend{})}
	s.answer(s.send(add, "", "guest"), "guest", "", "old")
	return s
}

// send sends a request with this ID. born names the session that it may begin.
func (s *script) send(op op, id, born string) *request {
	r := &request{op: op, user: "ada", id: id, born: born, idle: time.Hour}
	s.model.begin(r)
	return r
}

// answer answers r with 200, a page that shows a session and a user, and a cookie. "" is none.
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

// finish answers r with got.
func (s *script) finish(r *request, got answer) {
	got.at = time.Now()
	s.model.end(r, got)
	if got.cookie != nil {
		s.model.checkReplaced(r, got, s.cookie)
		s.cookie = *got.cookie
	}
}

// signIn signs in, and returns an unanswered request that the sign-in overtakes.
func (s *script) signIn() (overtaken *request) {
	in, overtaken := s.send(login, "old", "in"), s.send(add, "old", "late")
	s.answer(in, "guest", "ada", "new")
	return overtaken
}

func TestOvertaken(t *testing.T) {
	for name, test := range map[string]struct {
		run       func(*script)
		want      [violationKinds]int
		overtaken int
		late      int
	}{
		"an overtaken request begins a session": {
			run:       func(s *script) { s.answer(s.signIn(), "late", "", "other") },
			want:      [violationKinds]int{takenCookie: 1},
			overtaken: 1,
		},
		"an overtaken request is answered 409": {
			run:       func(s *script) { s.finish(s.signIn(), answer{status: http.StatusConflict}) },
			overtaken: 1,
		},
		"403 for ending other sessions, beside a sign-out": {
			run: func(s *script) {
				s.answer(s.signIn(), "guest", "ada", "")
				ends, out := s.send(others, "new", ""), s.send(logout, "new", "")
				s.answer(out, "guest", "ada", "")
				s.finish(ends, answer{status: http.StatusForbidden})
			},
			overtaken: 1,
		},
		"403 for ending other sessions, of a session that nothing has ended": {
			run: func(s *script) {
				s.answer(s.signIn(), "guest", "ada", "")
				s.finish(s.send(others, "new", ""), answer{status: http.StatusForbidden})
			},
			want:      [violationKinds]int{falseLogout: 1},
			overtaken: 1,
		},
		"409 without a sign-in": {
			run:  func(s *script) { s.finish(s.send(look, "old", ""), answer{status: http.StatusConflict}) },
			want: [violationKinds]int{falseLogout: 1},
		},
		"a request is answered before the sign-in": {
			run: func(s *script) {
				in, r := s.send(login, "old", "in"), s.send(add, "old", "late")
				s.answer(r, "late", "", "other")
				s.answer(in, "guest", "ada", "new")
			},
		},
		"a sign-out ends the session before the sign-in": {
			run: func(s *script) {
				out, in, r := s.send(logout, "old", ""), s.send(login, "old", "in"), s.send(add, "old", "late")
				s.answer(out, "guest", "", "")
				s.answer(in, "in", "ada", "new")
				s.answer(r, "late", "", "other")
			},
			overtaken: 0,
			late:      1,
		},
		"an overtaken request begins a session after a double click": {
			run: func(s *script) {
				again := s.send(login, "old", "again")
				r := s.signIn()
				s.answer(again, "again", "ada", "newer")
				s.answer(r, "late", "", "other")
			},
			want:      [violationKinds]int{takenCookie: 1},
			overtaken: 1,
		},
		"a session is found after a sign-out with its old ID": {
			run: func(s *script) {
				out := s.send(logout, "old", "")
				s.signIn()
				s.answer(out, "", "", "")
				s.answer(s.send(look, "new", ""), "guest", "ada", "")
			},
			want: [violationKinds]int{resurrection: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			test.run(s)
			m := s.model
			if m.wrong != test.want || m.overtook.requests != test.overtaken || m.overtook.late != test.late {
				t.Errorf("wrong %v, overtaken %d, late %d; want %v, %d, %d\n%v", m.wrong, m.overtook.requests, m.overtook.late, test.want, test.overtaken, test.late, m.examples)
			}
		})
	}
}

// The page after a sign-in shows whether the browser is signed in.
func TestFalseSignIn(t *testing.T) {
	for name, test := range map[string]struct {
		signOut bool
		user    string // that the page shows
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
				s.answer(in, "guest", "ada", "") // the application has dropped the sign-in
			} else {
				s.answer(in, "guest", "ada", "new")
				id = "new"
			}
			next := s.send(look, id, "")
			next.after = []string{"guest"}
			s.answer(next, "guest", test.user, "")
			if got := s.model.wrong[falseSignIn]; got != test.want {
				t.Errorf("false sign-ins: %d; want %d\n%v", got, test.want, s.model.examples)
			}
		})
	}
}
