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

// judgeDestroy judges that a session, known by its value origin, has ended if a
// request was told so.
func (fl *fleet) judgeDestroy(a *answer, before ...string) {
	if a.ok() && has(fl.held(before...), "origin", "guest") {
		fl.Errorf("the sign-out was answered 200, and the session is alive")
	}
}

// judgeRename judges the answer to a request that changes the ID.
func (fl *fleet) judgeRename(a *answer) {
	if a.cleared {
		fl.Errorf("a request that changes the ID takes the cookie away")
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

// Two tabs change the ID one after the other, so that Destroy has to follow two marks.
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
		fl.Errorf("the request that writes takes the cookie away")
	}
	_ = b
}

// A tab signs out while another one signs in.
func destroyAndSignIn(fl *fleet) {
	old := fl.stored("", guest)
	a, b := fl.request(old, destroys), fl.request(old, signsIn("ada"))
	fl.Wait()
	fl.judgeDestroy(a, old)
	fl.judgeSignIn("the sign-in", b, "ada", true)
}

// A tab signs out while another one proves again that it is the same user. That must
// not begin a new session.
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

// What is ended stays ended, although a request still writes.
func destroyAndWrite(fl *fleet) {
	old := fl.stored("ada", guest)
	a, b := fl.request(old, destroys), fl.request(old, sets("b"))
	fl.Wait()
	fl.judgeDestroy(a, old)
	if b.cleared {
		fl.Errorf("the request that writes takes the cookie away")
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

// "Log out everywhere" follows a change of the password. A sign-in that has checked
// the old one before that must not be in afterwards.
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
			fl.Errorf("DestroySubject has returned nil, and a sign-in that began before is in")
		}
	}
}

// A device is ended from a list while it changes its ID.
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

// A user whose session can't be read has it forgotten, while its ID changes.
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

// An operator ends a session by its key, while its ID changes.
func endKeyAndRename(fl *fleet) {
	old := fl.stored("ada", guest)
	a := fl.do(func(ctx context.Context, f *session.Factory) error { return f.Destroy(ctx, session.ID(old).Key()) })
	b := fl.request(old, renames)
	fl.Wait()
	fl.judgeDestroy(a, old)
	fl.judgeRename(b)
	if a.Ended() && errors.Is(a.err, session.ErrNotFound) && len(fl.held(old)) > 0 {
		fl.Errorf("Destroy has not found the session, which is alive")
	}
}

// A tab signs out while two others sign in.
func destroyAndDoubleClick(fl *fleet) {
	old := fl.stored("", guest)
	a, b, c := fl.request(old, destroys), fl.request(old, signsIn("ada")), fl.request(old, signsIn("ada"))
	fl.Wait()
	fl.judgeDestroy(a, old)
	fl.judgeSignIn("the first sign-in", b, "ada", true)
	fl.judgeSignIn("the second sign-in", c, "ada", true)
}

// Two tabs change the ID, and one signs out.
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
	{"revoke and change ID", session.Config{}, listings, 1, revokeAndRename},
	{"destroy subject and sign in", session.Config{}, listings, 1, destroySubjectAndSignIn},
}

func TestExploreDestroy(t *testing.T) { exploreAll(t, destroyScenarios) }
