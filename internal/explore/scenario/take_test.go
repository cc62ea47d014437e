package scenario_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"gosession.dev/session"
	"gosession.dev/session/internal/explore"
)

// takes returns work that takes the token and appends it to got.
func takes(got *[]string) func(context.Context, *session.Session) error {
	return func(ctx context.Context, s *session.Session) error {
		value, err := session.Take[string](ctx, s, "token")
		if err == nil {
			*got = append(*got, value)
		}
		return err
	}
}

func adds(name string) func(context.Context, *session.Session) error {
	return func(ctx context.Context, s *session.Session) error {
		if err := session.Update(s, name, func(n int) int { return n + 1 }); err != nil {
			return err
		}
		return s.Flush(ctx)
	}
}

// unsure reports whether one of the requests may have taken the token without returning it.
func unsure(takers ...*answer) bool {
	return slices.ContainsFunc(takers, func(a *answer) bool {
		return !a.Ended() || a.err != nil && !errors.Is(a.err, session.ErrNoValue)
	})
}

// judgeTake checks that the token was taken at most once, and is stored unless it was taken.
func (fl *fleet) judgeTake(id string, got []string, takers ...*answer) {
	s := fl.find(id)
	switch {
	case len(got) > 1:
		fl.Errorf("%d requests have taken the token; want at most 1", len(got))
	case s == nil:
		fl.Errorf("the session is lost")
	case len(got) > 0 && s.Has("token"):
		fl.Errorf("a request has taken the token, and it is still stored")
	case len(got) == 0 && !unsure(takers...) && !s.Has("token"):
		fl.Errorf("no request has taken the token, and it is not stored any more")
	case len(got) == 0 && fl.onlyLost(1):
		fl.Errorf("no request has taken the token after one lost answer; want the outcome to be determined")
	}
}

// onlyLost reports whether there were at most n faults, all of the kind Lost.
func (fl *fleet) onlyLost(n int) bool {
	return fl.Count(explore.AllFaults) <= n && fl.Count(explore.Fail|explore.Crash) == 0
}

func takeAndTake(fl *fleet) {
	id := fl.stored("", map[string]string{"token": "T"})
	var got []string
	a, b := fl.request(id, takes(&got)), fl.request(id, takes(&got))
	fl.Wait()
	fl.judgeTake(id, got, a, b)
	fl.judgeBystander("the first", a)
	fl.judgeBystander("the second", b)
}

func takeAndUpdate(fl *fleet) {
	id := fl.stored("", map[string]string{"token": "T"})
	var got []string
	a, b := fl.request(id, takes(&got)), fl.request(id, adds("n"))
	fl.Wait()
	fl.judgeTake(id, got, a)
	fl.judgeCount(id, "n", b)
	fl.judgeResolved(b)
}

// takeAndSet takes the token while another request stores a new one.
func takeAndSet(fl *fleet) {
	id := fl.stored("", map[string]string{"token": "T"})
	var got []string
	a := fl.request(id, takes(&got))
	b := fl.request(id, func(ctx context.Context, s *session.Session) error {
		if err := s.Set("token", "U"); err != nil {
			return err
		}
		return s.Flush(ctx)
	})
	fl.Wait()
	s := fl.find(id)
	if s == nil {
		fl.Errorf("the session is lost")
		return
	}
	there := 0
	for _, value := range append(got, valueOf(s, "token")) {
		if value == "U" {
			there++
		}
	}
	switch {
	case there > 1 || len(got) > 1:
		fl.Errorf("the request has taken %q, and %q is stored; want each token once", got, valueOf(s, "token"))
	case b.ok() && there == 0 && !unsure(a):
		fl.Errorf("the new token is lost")
	case len(got) == 0 && fl.onlyLost(1):
		fl.Errorf("there was always a token, and the request has taken none")
	}
}

// judgeCount checks a number to which each of the requests adds one.
func (fl *fleet) judgeCount(id, name string, adders ...*answer) {
	s := fl.find(id)
	if s == nil {
		fl.Errorf("the session is lost")
		return
	}
	n, _ := session.Get[int](s, name)
	sure, possible := 0, 0
	for _, a := range adders {
		if a.ok() {
			sure++
		} else {
			possible++
		}
	}
	if n < sure || n > sure+possible {
		fl.Errorf("the number is %d after %d successful Updates and %d of unknown outcome", n, sure, possible)
	}
}

// judgeResolved checks that no request fails because of one lost answer: package session must
// find out whether the write has happened.
func (fl *fleet) judgeResolved(answers ...*answer) {
	for _, a := range answers {
		if !a.ok() && fl.onlyLost(1) {
			fl.Errorf("a request fails with status %d after one lost answer; want success", a.status)
		}
	}
}

func updateAndUpdate(fl *fleet) {
	id := fl.stored("", guest)
	a, b := fl.request(id, adds("n")), fl.request(id, adds("n"))
	fl.Wait()
	fl.judgeCount(id, "n", a, b)
	fl.judgeResolved(a, b)
}

// updateAtCommit ignores the error of Flush, so that the commit after the handler must store the
// Update, which Flush may already have stored.
func updateAtCommit(fl *fleet) {
	id := fl.stored("", guest)
	work := func(ctx context.Context, s *session.Session) error {
		if err := session.Update(s, "n", func(n int) int { return n + 1 }); err != nil {
			return err
		}
		_ = s.Flush(ctx)
		return nil
	}
	a, b := fl.request(id, work), fl.request(id, work)
	fl.Wait()
	fl.judgeCount(id, "n", a, b)
	fl.judgeResolved(a, b)
}

func takeTakeUpdate(fl *fleet) {
	id := fl.stored("", map[string]string{"token": "T"})
	var got []string
	a, b, c := fl.request(id, takes(&got)), fl.request(id, takes(&got)), fl.request(id, adds("n"))
	fl.Wait()
	fl.judgeTake(id, got, a, b)
	fl.judgeCount(id, "n", c)
	fl.judgeResolved(c)
}

// The token is taken while the ID of the session changes.
func takeAndRename(fl *fleet) {
	old := fl.stored("", map[string]string{"token": "T"})
	var got []string
	a, b := fl.request(old, takes(&got)), fl.request(old, renames)
	fl.Wait()
	fl.judgeRename(b)
	if len(got) > 0 && has(fl.held(old), "token", "T") {
		fl.Errorf("a request has taken the token, and it is still stored")
	}
	if len(got) == 0 && !unsure(a) && len(fl.held(old)) > 0 && !has(fl.held(old), "token", "T") {
		fl.Errorf("no request has taken the token, and it is not stored any more")
	}
}

func updateAndRename(fl *fleet) {
	old := fl.stored("", guest)
	a, b := fl.request(old, adds("n")), fl.request(old, renames)
	fl.Wait()
	fl.judgeRename(b)
	for _, id := range []string{old, b.cookie} {
		if b.Ended() && fl.find(id) != nil {
			fl.judgeCount(id, "n", a)
		}
	}
}

// Another request writes more often than a record keeps write numbers, so that the outcome of an
// Update with a lost answer may remain unknown.
func updateAndManyUpdates(fl *fleet) {
	id := fl.stored("", guest)
	a := fl.request(id, adds("n"))
	b := fl.request(id, func(ctx context.Context, s *session.Session) error {
		for range 5 {
			if err := adds("m")(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	fl.Wait()
	s := fl.find(id)
	if s == nil {
		fl.Errorf("the session is lost")
		return
	}
	if n, _ := session.Get[int](s, "n"); n > 1 || n < 1 && a.ok() {
		fl.Errorf("the number is %d after one Update", n)
	}
	if m, _ := session.Get[int](s, "m"); m > 5 || m < 5 && b.ok() {
		fl.Errorf("the number is %d after five Updates", m)
	}
}

// pops returns work that pops the messages and appends them to got.
func pops(got *[]string) func(context.Context, *session.Session) error {
	return func(_ context.Context, s *session.Session) error {
		messages, err := session.Pop[[]string](s, "messages")
		*got = append(*got, messages...)
		return err
	}
}

// popsAndAppend pops the messages in two requests while a third appends one. A message may be
// shown twice, but it may be lost only together with the answer of a request that has popped it.
func popsAndAppend(fl *fleet) {
	ctx := context.Background()
	id := fl.stored("", guest)
	s := fl.find(id)
	if err := errors.Join(s.Set("messages", []string{"A"}), s.Flush(ctx)); err != nil {
		panic(err)
	}
	var got []string
	a, b := fl.request(id, pops(&got)), fl.request(id, pops(&got))
	c := fl.request(id, func(_ context.Context, s *session.Session) error {
		return session.Update(s, "messages", func(m []string) []string { return append(m, "B") })
	})
	fl.Wait()
	if s = fl.find(id); s == nil {
		fl.Errorf("the session is lost")
		return
	}
	there, _ := session.Get[[]string](s, "messages")
	if !slices.Contains(append(got, there...), "A") {
		fl.Errorf("the first message is lost: %q were popped, %q are stored", got, there)
	}
	if c.ok() && !slices.Contains(append(got, there...), "B") {
		fl.Errorf("the appended message is lost: %q were popped, %q are stored", got, there)
	}
	fl.judgeResolved(a, b, c)
}

var takeScenarios = []scenario{
	{"take and take", session.Config{}, []backend{oneStep}, 2, takeAndTake},
	{"take and update", session.Config{}, []backend{oneStep}, 2, takeAndUpdate},
	{"take and set", session.Config{}, []backend{oneStep}, 2, takeAndSet},
	{"update and update", session.Config{}, []backend{oneStep}, 2, updateAndUpdate},
	{"update at the commit", session.Config{}, []backend{oneStep}, 2, updateAtCommit},
	{"take and change ID", session.Config{}, simple, 2, takeAndRename},
	{"update and change ID", session.Config{}, simple, 2, updateAndRename},
	{"update and many updates", session.Config{}, []backend{oneStep}, 1, updateAndManyUpdates},
	{"two pops and an append", session.Config{}, []backend{oneStep}, 1, popsAndAppend},
	{"two takes and an update", session.Config{}, []backend{oneStep}, 1, takeTakeUpdate},
}

func TestExploreTake(t *testing.T) { exploreAll(t, takeScenarios) }
