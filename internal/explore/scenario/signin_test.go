package scenario_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/internal/explore"
)

func signsIn(subject string) func(context.Context, *session.Session) error {
	return func(ctx context.Context, s *session.Session) error { return s.SignIn(ctx, subject) }
}

// guest holds the values of a visitor before the sign-in.
var guest = map[string]string{"origin": "guest"}

// A user clicks twice on the button of a slow sign-in.
func doubleClick(fl *fleet) {
	old := fl.stored("", guest)
	a, b := fl.request(old, signsIn("ada")), fl.request(old, signsIn("ada"))
	fl.Wait()
	fl.judgeSignIns(old, a, b)
}

// judgeSignIns checks sign-ins of ada that were sent with the ID old.
func (fl *fleet) judgeSignIns(old string, answers ...*answer) {
	signedIn := false
	for _, a := range answers {
		fl.judgeSignIn("a sign-in", a, "ada", fl.config.MaxPerSubject > 0)
		if !a.ok() && fl.onlyLost(1) && fl.config.MaxPerSubject == 0 {
			fl.Errorf("a sign-in fails with status %d after one lost answer; want success", a.status)
		}
		signedIn = signedIn || a.ok()
	}
	if signedIn {
		fl.judgeOld(old)
	}
	// With other faults there may be no session left: at the limit a sign-in ends another session,
	// and it ends its own if it can't be confirmed.
	if len(fl.held()) == 0 && fl.onlyLost(1) {
		fl.Errorf("no client of a sign-in has a session")
	}
	fl.judgeSeats()
}

// judgeSeats checks the number of ada's sessions. Each fault may keep a sign-in from ending a
// session beyond the limit; the next sign-in counts again.
func (fl *fleet) judgeSeats() {
	limit := fl.config.MaxPerSubject
	if n := fl.of("ada"); limit > 0 && n > limit+fl.Count(explore.AllFaults) {
		fl.Errorf("the subject has %d sessions; want at most %d", n, limit)
	}
}

// Two users sign in with the same ID, which one of them may have planted (session fixation).
func twoUsers(fl *fleet) {
	old := fl.stored("", guest)
	a := fl.request(old, signsIn("ada"))
	b := fl.request(old, func(ctx context.Context, s *session.Session) error {
		if err := s.SignIn(ctx, "bob"); err != nil {
			return err
		}
		return s.Set("secret", "of bob")
	})
	fl.Wait()
	fl.judgeSignIn("the sign-in of ada", a, "ada", false)
	fl.judgeSignIn("the sign-in of bob", b, "bob", false)
	if s := fl.find(a.cookie); s != nil && a.Ended() && s.Has("secret") {
		fl.Errorf("ada's session has a value of bob")
	}
	if a.ok() || b.ok() {
		fl.judgeOld(old)
	}
}

// One tab writes while the user signs in with another.
func signInAndWrite(fl *fleet) {
	old := fl.stored("", guest)
	a := fl.request(old, signsIn("ada"))
	b := fl.request(old, func(ctx context.Context, s *session.Session) error {
		return errors.Join(s.Set("b", "set"), s.Flush(ctx))
	})
	fl.Wait()
	fl.judgeSignIns(old, a)
	fl.judgeBystander("the other tab", b)
	held := fl.held(old)
	if a.ok() && !has(held, "origin", "guest") {
		fl.Errorf("the sign-in has lost a value")
	}
	if b.ok() && len(held) > 0 && !has(held, "b", "set") {
		fl.Errorf("a value that was flushed is lost")
	}
}

// One tab changes the ID while the user signs in with another.
func signInAndRename(fl *fleet) {
	old := fl.stored("", guest)
	a, b := fl.request(old, signsIn("ada")), fl.request(old, renames)
	fl.Wait()
	fl.judgeSignIns(old, a)
	fl.judgeRename(b)
}

// A sign-in is stored, and then the handler writes a value, which may fail.
func signInThenWrite(fl *fleet) {
	old := fl.stored("", guest)
	stored := false
	a := fl.request(old, func(ctx context.Context, s *session.Session) error {
		if err := errors.Join(s.SignIn(ctx, "ada"), s.Flush(ctx)); err != nil {
			return err
		}
		stored = true
		return s.Set("more", "set")
	})
	b := fl.request(old, sets("b"))
	fl.Wait()
	fl.judgeSignIns(old, a)
	fl.judgeBystander("the other tab", b)
	if stored && a.Ended() && fl.find(a.cookie) == nil {
		fl.Errorf("the sign-in was stored, and the answer with status %d has no cookie of its session", a.status)
	}
}

// The session expires while the user signs in.
func signInAndExpiry(fl *fleet) {
	old := fl.stored("", guest)
	a := fl.request(old, signsIn("ada"))
	fl.timePasses(2 * time.Hour)
	fl.Wait()
	fl.judgeSignIn("the sign-in", a, "ada", true)
}

// A user signs in with two browsers, which have different sessions.
func twoBrowsers(fl *fleet) {
	phone, laptop := fl.stored("", guest), fl.stored("", guest)
	a, b := fl.request(phone, signsIn("ada")), fl.request(laptop, signsIn("ada"))
	fl.Wait()
	ends := fl.config.MaxPerSubject == 1 && !fl.config.RefuseAtMax // each sign-in may end the other's session
	fl.judgeSignIn("the phone", a, "ada", ends)
	fl.judgeSignIn("the laptop", b, "ada", ends)
	fl.judgeSeats()
	fl.judgeRefused(a, phone)
	fl.judgeRefused(b, laptop)
	if a.ok() && b.ok() && fl.find(a.cookie) == nil && fl.find(b.cookie) == nil {
		fl.Errorf("both browsers are signed out")
	}
	if fl.Count(explore.AllFaults) == 0 && !a.ok() && !b.ok() && !fl.config.RefuseAtMax {
		fl.Errorf("both browsers are refused")
	}
}

// judgeRefused checks that a visitor whose sign-in is refused keeps their anonymous session.
func (fl *fleet) judgeRefused(a *answer, old string) {
	refused := a.Ended() && a.status == http.StatusForbidden && fl.config.RefuseAtMax
	if !refused || fl.Count(explore.AllFaults) > 0 {
		return
	}
	id := old
	if a.cookie != "" {
		id = a.cookie
	}
	s := fl.find(id)
	if s == nil || s.Subject() != "" || valueOf(s, "origin") != "guest" {
		fl.Errorf("a sign-in was refused, and its client has lost its anonymous session")
	}
}

// A user who has a session signs in with two more browsers.
func threeBrowsers(fl *fleet) {
	fl.stored("ada", nil)
	twoBrowsers(fl)
}

// A user signs in again on the phone while the ID of the laptop changes. The limit allows both
// sessions.
func signInAgainAndRename(fl *fleet) {
	laptop, phone := fl.stored("ada", guest), fl.stored("ada", guest)
	a, b := fl.request(phone, signsIn("ada")), fl.request(laptop, renames)
	fl.Wait()
	fl.judgeSignIn("the phone", a, "ada", false)
	fl.judgeRename(b)
	if fl.Count(explore.AllFaults) == 0 && (!a.ok() || !b.ok() || fl.find(b.cookie) == nil) {
		fl.Errorf("the limit allows both sessions, and one of them has ended")
	}
}

// A user clicks twice on the sign-in button while another tab writes.
func doubleClickAndWrite(fl *fleet) {
	old := fl.stored("", guest)
	a, b, c := fl.request(old, signsIn("ada")), fl.request(old, signsIn("ada")), fl.request(old, sets("b"))
	fl.Wait()
	fl.judgeSignIns(old, a, b)
	fl.judgeBystander("the other tab", c)
}

var (
	oneSeat        = session.Config{MaxPerSubject: 1}
	oneSeatRefuse  = session.Config{MaxPerSubject: 1, RefuseAtMax: true}
	twoSeats       = session.Config{MaxPerSubject: 2}
	twoSeatsRefuse = session.Config{MaxPerSubject: 2, RefuseAtMax: true}
)

var signInScenarios = []scenario{
	{"double click", session.Config{}, simple, 2, doubleClick},
	{"double click, one seat", oneSeat, simple, 1, doubleClick},
	{"double click, one seat, others refused", oneSeatRefuse, simple, 1, doubleClick},
	{"double click and write", session.Config{}, simple, 1, doubleClickAndWrite},
	{"two users", session.Config{}, simple, 1, twoUsers},
	{"sign in and write", session.Config{}, simple, 2, signInAndWrite},
	{"sign in and change ID", session.Config{}, simple, 1, signInAndRename},
	{"sign in, then write", session.Config{}, simple, 2, signInThenWrite},
	{"sign in and expiry", session.Config{}, simple, 2, signInAndExpiry},
	{"two browsers, one seat", oneSeat, simple, 1, twoBrowsers},
	{"two browsers, one seat, others refused", oneSeatRefuse, simple, 1, twoBrowsers},
	{"sign in again and change ID, two seats", twoSeats, simple, 1, signInAgainAndRename},
	{"three browsers, two seats", twoSeats, []backend{oneStep}, 1, threeBrowsers},
	{"three browsers, two seats, others refused", twoSeatsRefuse, []backend{oneStep}, 1, threeBrowsers},
}

func TestExploreSignIn(t *testing.T) { exploreAll(t, signInScenarios) }
