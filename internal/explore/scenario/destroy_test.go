package scenario_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"gosession.dev/session"
)

func destroys(ctx context.Context, s *session.Session) error { return s.Destroy(ctx) }

// renames changes the ID of a session, if there is one.
func renames(ctx context.Context, s *session.Session) error {
	if s.IsNew() {
		return session.ErrNotFound
	}
	return s.ChangeID(ctx)
}

func sets(name string) func(context.Context, *session.Session) error {
	return func(ctx context.Context, s *session.Session) error { return s.Set(name, "set") }
}

// judgeDestroy checks that the session with the value origin has ended if the sign-out was
// answered with success.
func (fl *fleet) judgeDestroy(a *answer, before ...string) {
	if a.ok() && has(fl.held(before...), "origin", "guest") {
		fl.Errorf("the sign-out was answered 200, and the session is alive")
	}
}

// judgeRename checks the answer to a request that changes the ID.
func (fl *fleet) judgeRename(a *answer) {
	if a.cleared {
		fl.Errorf("a request that changes the ID clears the cookie")
	}
	if a.ok() && a.cookie == "" {
		fl.Errorf("a request that has changed the ID is answered 200 without a cookie")
	}
}

func destroyAndRename(fl *fleet) {
	old := fl.stored("ada", guest)
	a, b := fl.request(old, destroys), fl.request(old, renames)
	fl.Wait()
	fl.judgeDestroy(a, old)
	if b.ok() && b.cookie != "" {
		fl.judgeOld(old)
	}
	fl.judgeRename(b)
}

// A request changes the ID twice, so that Destroy may have to follow two marks.
func destroyAndRenameTwice(fl *fleet) {
	old := fl.stored("ada", guest)
	a := fl.request(old, destroys)
	b := fl.request(old, func(ctx context.Context, s *session.Session) error {
		if err := renames(ctx, s); err != nil {
			return err
		}
		return s.ChangeID(ctx)
	})
	fl.Wait()
	fl.judgeDestroy(a, old)
	if b.ok() && b.cookie != "" {
		fl.judgeOld(old)
	}
}

func destroyRenameAndWrite(fl *fleet) {
	old := fl.stored("ada", guest)
	a, b, c := fl.request(old, destroys), fl.request(old, renames), fl.request(old, sets("b"))
	fl.Wait()
	fl.judgeDestroy(a, old)
	if c.cleared {
		fl.Errorf("the request that writes clears the cookie")
	}
	_ = b
}

// One tab signs out while another signs in.
func destroyAndSignIn(fl *fleet) {
	old := fl.stored("", guest)
	a, b := fl.request(old, destroys), fl.request(old, signsIn("ada"))
	fl.Wait()
	fl.judgeDestroy(a, old)
	fl.judgeSignIn("the sign-in", b, "ada", true)
}

// One tab signs out while the same user signs in again with another. That must not begin a new
// session.
func destroyAndSignInAgain(fl *fleet) {
	old := fl.stored("ada", guest)
	found := false
	a := fl.request(old, destroys)
	b := fl.request(old, func(ctx context.Context, s *session.Session) error {
		found = s.Subject() == "ada"
		return s.SignIn(ctx, "ada")
	})
	fl.Wait()
	fl.judgeDestroy(a, old)
	fl.judgeSignIn("the sign-in", b, "ada", true)
	if a.ok() && found && len(fl.held(old)) > 0 {
		fl.Errorf("the sign-out was answered 200, and the other tab has a session")
	}
}

// A session that has ended stays ended, although a request still writes to it.
func destroyAndWrite(fl *fleet) {
	old := fl.stored("ada", guest)
	a, b := fl.request(old, destroys), fl.request(old, sets("b"))
	fl.Wait()
	fl.judgeDestroy(a, old)
	if b.cleared {
		fl.Errorf("the request that writes clears the cookie")
	}
}

func endsAll(subject string) func(context.Context, *session.Factory) error {
	return func(ctx context.Context, f *session.Factory) error { return f.DestroySubject(ctx, subject) }
}

func destroySubjectAndRename(fl *fleet) {
	old := fl.stored("ada", guest)
	a, b := fl.do(endsAll("ada")), fl.request(old, renames)
	fl.Wait()
	if a.ok() && len(fl.held(old)) > 0 {
		fl.Errorf("DestroySubject has returned nil, and a session is alive")
	}
	fl.judgeRename(b)
}

func destroySubjectAndWrite(fl *fleet) {
	old, other := fl.stored("ada", guest), fl.stored("ada", guest)
	a := fl.do(endsAll("ada"))
	fl.request(old, sets("b"))
	fl.Wait()
	if a.ok() && has(fl.held(old, other), "origin", "guest") {
		fl.Errorf("DestroySubject has returned nil, and a session is alive")
	}
}

// DestroySubject follows a change of the password. A sign-in that has checked the old password
// before must not have a session afterwards.
func destroySubjectAndSignIn(fl *fleet) {
	old, other := fl.stored("", guest), fl.stored("ada", nil)
	begun, err := fl.outside.BeginSignIn(context.Background(), "ada")
	if err != nil {
		panic(err)
	}
	a := fl.do(endsAll("ada"))
	b := fl.request(old, func(ctx context.Context, s *session.Session) error {
		return s.SignIn(ctx, "ada", begun)
	})
	fl.Wait()
	fl.judgeSignIn("the sign-in", b, "ada", true)
	if !a.ok() {
		return
	}
	for _, s := range fl.held(old, other) {
		if s.Subject() == "ada" {
			fl.Errorf("DestroySubject has returned nil, and a sign-in that began before has a session")
		}
	}
}

func endsOthers(ctx context.Context, s *session.Session) error { return s.DestroyOthers(ctx) }

// judgeOthers checks that the other sessions, with the given IDs, have ended if DestroyOthers has
// succeeded.
func (fl *fleet) judgeOthers(a *answer, others ...string) {
	for _, id := range others {
		if s := fl.find(id); a.ok() && s != nil && s.Subject() == "ada" {
			fl.Errorf("DestroyOthers has returned nil, and another session is alive")
		}
	}
}

// One tab ends all other sessions while another tab changes the ID of their own session.
func destroyOthersAndRename(fl *fleet) {
	old, other := fl.stored("ada", guest), fl.stored("ada", nil)
	a, b := fl.request(old, endsOthers), fl.request(old, renames)
	fl.Wait()
	fl.judgeOthers(a, other)
	fl.judgeRename(b)
	fl.judgeBystander("DestroyOthers", a)
	switch {
	case fl.of("ada") == 0:
		fl.Errorf("DestroyOthers has ended its own session")
	case !has(fl.held(old), "origin", "guest") && fl.onlyLost(1):
		fl.Errorf("no ID that the client knows finds the session")
	}
}

// DestroyOthers ends a session while the ID of that session changes.
func destroyOthersThatRename(fl *fleet) {
	mine, other := fl.stored("ada", nil), fl.stored("ada", guest)
	a, b := fl.request(mine, endsOthers), fl.request(other, renames)
	fl.Wait()
	fl.judgeOthers(a, other, b.cookie)
	fl.judgeRename(b)
	if fl.find(mine) == nil {
		fl.Errorf("DestroyOthers has ended its own session")
	}
}

// One tab ends all other sessions while the same user signs in again in another tab of the same
// session. A sign-in that began before is stale, and ends the session that it has stored.
func destroyOthersAndSignInAgain(fl *fleet) {
	old, other := fl.stored("ada", guest), fl.stored("ada", nil)
	a, b := fl.request(old, endsOthers), fl.request(old, signsIn("ada"))
	fl.Wait()
	fl.judgeOthers(a, other)
	fl.judgeSignIn("the sign-in", b, "ada", false)
	if b.ok() {
		fl.judgeOld(old)
	}
}

// DestroyOthers runs while a device whose old password was accepted before signs in.
func destroyOthersAndSignIn(fl *fleet) {
	mine, guests := fl.stored("ada", nil), fl.stored("", guest)
	begun, err := fl.outside.BeginSignIn(context.Background(), "ada")
	if err != nil {
		panic(err)
	}
	a := fl.request(mine, endsOthers)
	b := fl.request(guests, func(ctx context.Context, s *session.Session) error {
		return s.SignIn(ctx, "ada", begun)
	})
	fl.Wait()
	fl.judgeSignIn("the sign-in", b, "ada", true)
	fl.judgeOthers(a, guests, b.cookie)
	if fl.find(mine) == nil {
		fl.Errorf("DestroyOthers has ended its own session")
	}
}

// A session is revoked from a list of devices while its ID changes.
func revokeAndRename(fl *fleet) {
	old := fl.stored("ada", guest)
	handle := fl.find(old).Handle()
	a := fl.do(func(ctx context.Context, f *session.Factory) error { return f.Revoke(ctx, "ada", handle) })
	b := fl.request(old, renames)
	fl.Wait()
	fl.judgeRename(b)
	if len(fl.held(old)) == 0 {
		return
	}
	if a.ok() {
		fl.Errorf("Revoke has returned nil, and the session is alive")
	}
	if a.Ended() && errors.Is(a.err, session.ErrNotFound) {
		fl.Errorf("Revoke has not found the session, which is alive")
	}
}

// Forget, which is for sessions that can't be read, ends a session while its ID changes.
func forgetAndRename(fl *fleet) {
	old := fl.stored("ada", guest)
	a := fl.do(func(ctx context.Context, f *session.Factory) error {
		r := httptest.NewRequestWithContext(ctx, "GET", "https://example.com/", nil)
		r.Header.Set("Cookie", "__Host-session="+old)
		return f.Forget(httptest.NewRecorder(), r)
	})
	b := fl.request(old, renames)
	fl.Wait()
	fl.judgeDestroy(a, old)
	fl.judgeRename(b)
}

// An operator ends a session by its key while its ID changes.
func endKeyAndRename(fl *fleet) {
	old := fl.stored("ada", guest)
	a := fl.do(func(ctx context.Context, f *session.Factory) error { return f.Destroy(ctx, session.NewID(old).Key()) })
	b := fl.request(old, renames)
	fl.Wait()
	fl.judgeDestroy(a, old)
	fl.judgeRename(b)
	if a.Ended() && errors.Is(a.err, session.ErrNotFound) && len(fl.held(old)) > 0 {
		fl.Errorf("Destroy has not found the session, which is alive")
	}
}

// One tab signs out while two others sign in.
func destroyAndDoubleClick(fl *fleet) {
	old := fl.stored("", guest)
	a, b, c := fl.request(old, destroys), fl.request(old, signsIn("ada")), fl.request(old, signsIn("ada"))
	fl.Wait()
	fl.judgeDestroy(a, old)
	fl.judgeSignIn("the first sign-in", b, "ada", true)
	fl.judgeSignIn("the second sign-in", c, "ada", true)
}

// Two tabs change the ID, and a third signs out.
func destroyAndTwoRenames(fl *fleet) {
	old := fl.stored("ada", guest)
	a, b, c := fl.request(old, destroys), fl.request(old, renames), fl.request(old, renames)
	fl.Wait()
	fl.judgeDestroy(a, old)
	if b.ok() && b.cookie != "" || c.ok() && c.cookie != "" {
		fl.judgeOld(old)
	}
}

var destroyScenarios = []scenario{
	{"destroy and change ID", session.Config{}, simple, 2, destroyAndRename},
	{"destroy and change ID twice", session.Config{}, simple, 1, destroyAndRenameTwice},
	{"destroy, change ID and write", session.Config{}, simple, 1, destroyRenameAndWrite},
	{"destroy and sign in", session.Config{}, simple, 1, destroyAndSignIn},
	{"destroy and sign in again", session.Config{}, simple, 1, destroyAndSignInAgain},
	{"destroy and write", session.Config{}, simple, 2, destroyAndWrite},
	{"destroy subject and change ID", session.Config{}, listings, 1, destroySubjectAndRename},
	{"destroy subject and write", session.Config{}, listings, 1, destroySubjectAndWrite},
	{"destroy and double click", session.Config{}, simple, 1, destroyAndDoubleClick},
	{"destroy and two changes of the ID", session.Config{}, simple, 1, destroyAndTwoRenames},
	{"forget and change ID", session.Config{}, simple, 2, forgetAndRename},
	{"end by key and change ID", session.Config{}, simple, 2, endKeyAndRename},
	{"destroy others and change ID", session.Config{}, listings, 1, destroyOthersAndRename},
	{"destroy others that change ID", session.Config{}, listings, 1, destroyOthersThatRename},
	{"destroy others and sign in again", session.Config{}, listings, 1, destroyOthersAndSignInAgain},
	{"destroy others and sign in", session.Config{}, listings, 1, destroyOthersAndSignIn},
	{"revoke and change ID", session.Config{}, listings, 1, revokeAndRename},
	{"destroy subject and sign in", session.Config{}, listings, 1, destroySubjectAndSignIn},
}

func TestExploreDestroy(t *testing.T) { exploreAll(t, destroyScenarios) }
