package main

import "testing"

// A session whose books are closed may end others, whose books are not.
func TestEndedByClosedBooks(t *testing.T) {
	a := newAccount(backend{})
	off, other := &life{born: "off", isOff: true}, &life{born: "other"}
	a.signed["ada"] = map[*life]bool{off: true, other: true}
	a.nameLocked(off, "id")
	r := &request{op: others, user: "ada", id: "id"}
	a.begin(r)
	if !other.mayEnd || off.mayEnd {
		t.Errorf("it may have ended: %v, and the one that ends it: %v; want true and false", other.mayEnd, off.mayEnd)
	}
	late := &life{born: "late"}
	a.signedInLocked(late, r, answer{at: r.sent.Add(1)})
	if !late.mayEnd {
		t.Error("one that signs in meanwhile may not have ended; want that it may")
	}
	a.end(r, answer{at: r.sent.Add(2), status: 200})
	if e := a.endings["ada"]; len(e) != 1 || e[0].end.IsZero() {
		t.Errorf("endings: %v; want one that is over", e)
	}
}
