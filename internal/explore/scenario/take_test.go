package scenario_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"gosession.dev/session"
	"gosession.dev/session/internal/explore"
)

// takes takes the token, and notes what it has got.
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

// unsure reports whether a request that takes the token may have taken it unseen.
func unsure(takers ...*answer) bool {
	return slices.ContainsFunc(takers, func(a *answer) bool {
		return !a.Ended() || a.err != nil && !errors.Is(a.err, session.ErrNoValue)
	})
}

// judgeTake judges how often the token was got.
func (fl *fleet) judgeTake(id string, got []string, takers ...*answer) {
	s := fl.find(id)
	switch {
	case len(got) > 1:
		fl.Errorf("%d requests have got the token", len(got))
	case s == nil:
		fl.Errorf("the session is gone")
	case len(got) > 0 && s.Has("token"):
		fl.Errorf("a request has got the token, and it is there")
	case len(got) == 0 && !unsure(takers...) && !s.Has("token"):
		fl.Errorf("no request has got the token, and it is gone")
	case len(got) == 0 && fl.onlyLost(1):
		fl.Errorf("no request has got the token, although its outcome could be found out")
	}
}

// onlyLost reports whether there were at most n faults, all of them lost answers.
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
	fl.judgeFoundOut(b)
}

// takeAndSet has the token taken while another request issues a new one.
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
		fl.Errorf("the session is gone")
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
		fl.Errorf("the request has got %q, and %q is there", got, valueOf(s, "token"))
	case b.ok() && there == 0 && !unsure(a):
		fl.Errorf("the new token is lost")
	case len(got) == 0 && fl.onlyLost(1):
		fl.Errorf("there was always a token, and the request has got none")
	}
}

// judgeCount judges a number to which requests have added one each.
func (fl *fleet) judgeCount(id, name string, adders ...*answer) {
	s := fl.find(id)
	if s == nil {
		fl.Errorf("the session is gone")
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
		fl.Errorf("the number is %d after %d Updates that reported success and %d that did not", n, sure, possible)
	}
}

// judgeFoundOut judges that one lost answer fails no request, because what has become of
// the write can be found out.
func (fl *fleet) judgeFoundOut(answers ...*answer) {
	for _, a := range answers {
		if !a.ok() && fl.onlyLost(1) {
			fl.Errorf("one lost answer fails a request: status %d", a.status)
		}
	}
}

func updateAndUpdate(fl *fleet) {
	id := fl.stored("", guest)
	a, b := fl.request(id, adds("n")), fl.request(id, adds("n"))
	fl.Wait()
	fl.judgeCount(id, "n", a, b)
	fl.judgeFoundOut(a, b)
}

// updateAtCommit leaves it to the handler's commit to store what a Flush of unknown
// outcome may have stored.
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
	fl.judgeFoundOut(a, b)
}

func takeTakeUpdate(fl *fleet) {
	id := fl.stored("", map[string]string{"token": "T"})
	var got []string
	a, b, c := fl.request(id, takes(&got)), fl.request(id, takes(&got)), fl.request(id, adds("n"))
	fl.Wait()
	fl.judgeTake(id, got, a, b)
	fl.judgeCount(id, "n", c)
	fl.judgeFoundOut(c)
}

// The token moves with the session.
func takeAndRename(fl *fleet) {
	old := fl.stored("", map[string]string{"token": "T"})
	var got []string
	a, b := fl.request(old, takes(&got)), fl.request(old, renames)
	fl.Wait()
	fl.judgeRename(b)
	if len(got) > 0 && has(fl.held(old), "token", "T") {
		fl.Errorf("a request has got the token, and it is there")
	}
	if len(got) == 0 && !unsure(a) && len(fl.held(old)) > 0 && !has(fl.held(old), "token", "T") {
		fl.Errorf("no request has got the token, and it is gone")
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

// So many writes of another request may hide whether an Update with a lost answer was
// stored.
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
		fl.Errorf("the session is gone")
		return
	}
	if n, _ := session.Get[int](s, "n"); n > 1 || n < 1 && a.ok() {
		fl.Errorf("the number is %d after one Update", n)
	}
	if m, _ := session.Get[int](s, "m"); m > 5 || m < 5 && b.ok() {
		fl.Errorf("the number is %d after five Updates", m)
	}
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
	{"two takes and an update", session.Config{}, []backend{oneStep}, 1, takeTakeUpdate},
}

func TestExploreTake(t *testing.T) { exploreAll(t, takeScenarios) }
