package scenario_test

import (
	"context"
	"errors"
	"testing"

	"gosession.dev/session"
)

// setsAndFlushes returns work that sets a value and flushes it.
func setsAndFlushes(name string) func(context.Context, *session.Session) error {
	return func(ctx context.Context, s *session.Session) error {
		return errors.Join(s.Set(name, "set"), s.Flush(ctx))
	}
}

// A visitor sends their first request.
func firstVisit(fl *fleet) {
	a := fl.request("", sets("a"))
	fl.Wait()
	if a.ok() && !has(fl.held(), "a", "set") {
		fl.Errorf("the first visit is answered 200, and its session is not stored")
	}
	fl.judgeResolved(a)
	if n := fl.all(); n != 1 && fl.onlyLost(1) {
		fl.Errorf("there are %d sessions; want 1", n)
	}
}

func write(fl *fleet) {
	id := fl.stored("", guest)
	a := fl.request(id, sets("a"))
	fl.Wait()
	fl.judgeBystander("the request", a)
	if a.ok() && !has(fl.held(id), "a", "set") {
		fl.Errorf("the request is answered 200, and its value is lost")
	}
	fl.judgeResolved(a)
}

func writeAndWrite(fl *fleet) {
	id := fl.stored("", guest)
	a, b := fl.request(id, sets("a")), fl.request(id, setsAndFlushes("b"))
	fl.Wait()
	fl.judgeBystander("the first", a)
	fl.judgeBystander("the second", b)
	held := fl.held(id)
	if a.ok() && !has(held, "a", "set") || b.ok() && !has(held, "b", "set") {
		fl.Errorf("a request is answered 200, and its value is lost")
	}
	if !has(held, "origin", "guest") {
		fl.Errorf("a value that no request has changed is lost")
	}
}

func renameAndWrite(fl *fleet) {
	old := fl.stored("", guest)
	a, b := fl.request(old, renames), fl.request(old, setsAndFlushes("b"))
	fl.Wait()
	fl.judgeRename(a)
	fl.judgeBystander("the other tab", b)
	fl.judgeRenamed(old, a)
	held := fl.held(old)
	if b.ok() && len(held) > 0 && !has(held, "b", "set") {
		fl.Errorf("a value that was flushed is lost")
	}
}

// judgeRenamed checks that a session is alive under exactly one ID after a change of the ID.
func (fl *fleet) judgeRenamed(old string, a *answer) {
	held := fl.held(old)
	switch {
	case a.ok() && fl.find(a.cookie) == nil:
		fl.Errorf("the ID was changed, and the new ID has no session")
	case a.ok() && fl.find(old) != nil:
		fl.Errorf("the ID was changed, and the old ID still has a session")
	case len(held) > 1:
		fl.Errorf("the session is alive under two IDs")
	case len(held) == 0 && fl.onlyLost(1):
		fl.Errorf("no ID that the client knows finds the session")
	}
}

func renameAndRename(fl *fleet) {
	old := fl.stored("", guest)
	a, b := fl.request(old, renames), fl.request(old, renames)
	fl.Wait()
	fl.judgeRename(a)
	fl.judgeRename(b)
	held := fl.held(old)
	if len(held) > 1 {
		fl.Errorf("the session is alive under two IDs")
	}
	if len(held) == 0 && fl.onlyLost(1) {
		fl.Errorf("no ID that the client knows finds the session")
	}
}

// all returns the number of all sessions.
func (fl *fleet) all() int {
	n := 0
	for _, err := range fl.backend.Sessions(context.Background()) {
		if err != nil {
			fl.Errorf("Sessions yields %v; want nil", err)
		}
		n++
	}
	return n
}

var writeScenarios = []scenario{
	{"first visit", session.Config{}, simple, 2, firstVisit},
	{"write", session.Config{}, simple, 3, write},
	{"write and write", session.Config{}, simple, 2, writeAndWrite},
	{"change ID and write", session.Config{}, simple, 2, renameAndWrite},
	{"change ID and change ID", session.Config{}, simple, 2, renameAndRename},
}

func TestExploreWrite(t *testing.T) { exploreAll(t, writeScenarios) }
