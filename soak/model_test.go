package main

import (
	"testing"
	"time"
)

// An ignored session may end others, which the model checks.
func TestEndedByIgnoredSession(t *testing.T) {
	m := newModel(backend{})
	ignored, other := &session{born: "ignored", isIgnored: true}, &session{born: "other"}
	m.signed["ada"] = map[*session]bool{ignored: true, other: true}
	m.addIDLocked(ignored, "id")
	r := &request{op: others, user: "ada", id: "id"}
	m.begin(r)
	if !other.mayEnd || ignored.mayEnd {
		t.Errorf("begin of a request that ends others: mayEnd of another session %v, of its own %v; want true, false", other.mayEnd, ignored.mayEnd)
	}
	late := &session{born: "late"}
	m.applySignInLocked(late, r, answer{at: r.sent.Add(1)})
	if !late.mayEnd {
		t.Error("a session that signs in meanwhile: mayEnd false; want true")
	}
	m.end(r, answer{at: r.sent.Add(2), status: 200})
	if e := m.endings["ada"]; len(e) != 1 || e[0].end.IsZero() {
		t.Errorf("endings after the answer: %v; want one whose end is set", e)
	}
}

// An answer that begins a session may leave the process before it is killed, and reach the model
// after excuseAll.
func TestAnswerAfterExcuseAll(t *testing.T) {
	s := &script{model: newModel(backend{})}
	r := s.send(add, "", "late")
	s.model.excuseAll("the process was killed")
	s.answer(r, "late", "", "lost")
	s.answer(s.send(look, "lost", ""), "", "", "")
	if s.model.wrong != [violationKinds]int{} || s.model.gone["the process was killed"] != 1 {
		t.Errorf("violations %v, gone %v; want no violation and one session gone", s.model.wrong, s.model.gone)
	}
	s.answer(s.send(add, "", "kept"), "kept", "", "id")
	s.answer(s.send(look, "id", ""), "", "", "")
	if s.model.wrong[falseLogout] != 1 {
		t.Errorf("violations %v; want one false logout, of the session that began after excuseAll", s.model.wrong)
	}
}

// While the store can't be written, a request that only reads succeeds, but does not keep its
// session alive.
func TestReadWhileStoreIsStuck(t *testing.T) {
	for stuck, want := range map[bool]int{false: 1, true: 0} {
		s := newScript()
		guest := s.model.sessions["guest"]
		guest.idle, guest.seen = 400*time.Millisecond, time.Now().Add(-time.Second)
		s.model.setStuck(stuck)
		s.answer(s.send(look, "old", ""), "guest", "", "")
		s.model.setStuck(false)
		s.answer(s.send(look, "old", ""), "", "", "")
		if got := s.model.wrong[falseLogout]; got != want {
			t.Errorf("false logouts after a read, stuck %v: %d; want %d\n%v", stuck, got, want, s.model.examples)
		}
	}
}
