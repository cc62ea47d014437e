package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gosession.dev/session"
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

var fruits = []string{"Apples", "Cherries", "Pears"}

// shop is the application. It keeps nothing of a visitor but what is in their session.
type shop struct {
	sessions *session.Factory
	closing  chan struct{} // closed when the server shuts down, to end streams
}

func newShop(sessions *session.Factory) *shop { return &shop{sessions, make(chan struct{})} }

// action is a handler of the shop. If it returns an error, its changes to the session are
// discarded, and answerError answers.
type action = func(http.ResponseWriter, *http.Request, *session.Session) error

// handler returns the routes. CrossOriginProtection refuses the forms of other sites before
// the shop sees them.
func (sh *shop) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do action) { mux.HandleFunc(pattern, sh.sessions.HandlerFunc(do)) }
	handle("GET /{$}", sh.show)
	handle("GET /sign-in", sh.askToSignIn)
	handle("POST /sign-in", sh.signIn)
	handle("POST /sign-out", sh.signOut)
	handle("GET /events", sh.events)
	handle("POST /cart", sh.addToCart)
	handle("POST /cart/change", sh.changeCart)
	handle("POST /cart/empty", sh.emptyCart)
	handle("POST /devices/end", signedIn(sh.endDevice))
	handle("POST /devices/end-others", signedIn(sh.endOtherDevices))
	return http.NewCrossOriginProtection().Handler(mux)
}

// signedIn returns an action for users who have signed in. Other visitors are sent to the
// page for that.
func signedIn(do action) action {
	return func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if s.Subject() == "" {
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
			return nil
		}
		return do(w, r, s)
	}
}

// answerError is the OnError of the Config. It answers requests whose handler has returned an
// error, and those whose session can't be read or stored.
func answerError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil { // otherwise the client has gone
		slog.ErrorContext(r.Context(), "a request failed", "pattern", r.Pattern, "error", err)
	}
	switch {
	case errors.Is(err, session.ErrUnavailable), errors.Is(err, session.ErrSealed), errors.Is(err, session.ErrConflict), errors.Is(err, context.DeadlineExceeded):
		http.Error(w, "Please try again in a minute.", http.StatusServiceUnavailable)
	case errors.Is(err, session.ErrStaleSignIn), errors.Is(err, session.ErrNotFound): // all devices were signed out meanwhile, or a double click
		http.Error(w, "Please sign in again.", http.StatusForbidden)
	default:
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
	}
}

// back redirects to the front page, which shows the message once.
func back(w http.ResponseWriter, r *http.Request, s *session.Session, message string) error {
	if err := s.Set("flash", message); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// render sends the page. It renders into a buffer first: if that fails, the changes of the
// session are discarded, because the response has not begun.
func render(w http.ResponseWriter, data map[string]any) error {
	var buf bytes.Buffer
	if err := page.Execute(&buf, data); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := buf.WriteTo(w)
	return err
}

func (sh *shop) askToSignIn(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	if s.Subject() != "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	message := "Please sign in first."
	if s.Lapsed() {
		message = "Your session has expired. Please sign in again."
	}
	return render(w, map[string]any{"Flash": message, "SignInOnly": true})
}

func (sh *shop) signIn(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	name := strings.TrimSpace(r.FormValue("name"))
	switch {
	case name == "":
		return back(w, r, s, "Please tell your name.")
	case len(name) > 100:
		return back(w, r, s, "Please tell a shorter name.")
	}
	attempt, err := sh.sessions.BeginSignIn(r.Context(), name)
	if err != nil {
		return err
	}
	// A real shop looks up and checks the password here.
	if err := s.SignIn(r.Context(), name, attempt); err != nil { // changes the ID
		return err
	}
	if err := s.SetLabel(deviceName(r.UserAgent())); err != nil {
		return err
	}
	var timeouts session.Timeouts // the zero value is Config.Timeouts
	if r.FormValue("remember") != "" {
		const day = 24 * time.Hour
		timeouts = session.Timeouts{Idle: 14 * day, Lifetime: 90 * day, Persistent: true}
	}
	if err := s.SetTimeouts(timeouts); err != nil {
		return err
	}
	return back(w, r, s, "Welcome, "+name+"!")
}

// deviceName returns the name by which a user recognizes a browser in the list of devices.
func deviceName(userAgent string) string {
	first := func(otherwise string, names ...string) string {
		for _, name := range names {
			if strings.Contains(userAgent, name) {
				return name
			}
		}
		return otherwise
	}
	browser := first("A browser", "Firefox", "Edg", "Chrome", "Safari")
	if browser == "Edg" {
		browser = "Edge"
	}
	return browser + " on " + first("something", "Android", "iPhone", "Windows", "Mac OS", "Linux")
}

func (sh *shop) signOut(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	if err := s.Destroy(r.Context()); err != nil {
		return err
	}
	s, err := session.FromContext(r.Context()) // a new session, for the message
	if err != nil {
		return err
	}
	return back(w, r, s, "You are signed out.")
}

func (sh *shop) addToCart(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	fruit := r.FormValue("fruit")
	if !slices.Contains(fruits, fruit) {
		http.Error(w, "There is no such fruit.", http.StatusBadRequest)
		return nil
	}
	if err := updateCart(s, fruit, func(n int) int { return n + 1 }); err != nil {
		return err
	}
	return back(w, r, s, fruit+" are in your cart.")
}

// changeCart takes a form of several quantities. All are stored, or none: at the first that
// is no quantity it discards the changes before it.
func (sh *shop) changeCart(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	for _, fruit := range fruits {
		text := r.FormValue(fruit)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil {
			s.Discard()
			return back(w, r, s, "A quantity is a number from 0 to 255. Nothing was changed.")
		}
		if err := updateCart(s, fruit, func(int) int { return int(n) }); err != nil {
			return err
		}
	}
	return back(w, r, s, "Your cart is changed.")
}

// updateCart changes how many of a fruit are in the cart. It is an Update, and not Get and
// Set, so that no change is lost if two tabs change the cart at the same time.
func updateCart(s *session.Session, fruit string, fn func(n int) int) error {
	return session.Update(s, "cart", func(cart map[string]int) map[string]int {
		if cart == nil {
			cart = map[string]int{}
		}
		cart[fruit] = fn(cart[fruit])
		if cart[fruit] == 0 {
			delete(cart, fruit)
		}
		return cart
	})
}

func (sh *shop) emptyCart(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	if err := s.Delete("cart"); err != nil {
		return err
	}
	return back(w, r, s, "Your cart is empty.")
}

// endDevice signs out one device. The form names it by its handle, which works for the
// sessions of this user only.
func (sh *shop) endDevice(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	switch err := sh.sessions.Revoke(r.Context(), s.Subject(), r.FormValue("device")); {
	case errors.Is(err, session.ErrNotFound):
		return back(w, r, s, "That device was signed out already.")
	case err != nil:
		return err
	}
	return back(w, r, s, "That device is signed out.")
}

func (sh *shop) endOtherDevices(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	switch err := s.DestroyOthers(r.Context()); {
	case errors.Is(err, errors.ErrUnsupported):
		return back(w, r, s, "Sessions are kept where other devices can't be signed out.")
	case err != nil:
		return err
	}
	return back(w, r, s, "All other devices are signed out.")
}

// device is one session of the user, as the page shows it.
type device struct {
	session.Info
	Here bool // the session of this request
}

// devices returns the user's sessions, the most recently used first. If the backend can't
// list them, it returns none.
func (sh *shop) devices(ctx context.Context, s *session.Session) ([]device, error) {
	if s.Subject() == "" || !sh.sessions.Features().SubjectSessions {
		return nil, nil
	}
	var devices []device
	for info, err := range sh.sessions.SubjectSessions(ctx, s.Subject()) {
		if err != nil {
			return nil, err
		}
		devices = append(devices, device{info, info.Handle == s.Handle()})
	}
	slices.SortFunc(devices, func(a, b device) int { return b.LastSeen.Compare(a.LastSeen) })
	return devices, nil
}

// cartLine is a row of the cart.
type cartLine struct {
	Fruit string
	Count int
}

func (sh *shop) show(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	flash, err := session.Pop[string](s, "flash")
	if err != nil {
		return err
	}
	cart, err := session.Get[map[string]int](s, "cart")
	if err != nil {
		return err
	}
	devices, err := sh.devices(r.Context(), s)
	if err != nil {
		return err
	}
	var lines []cartLine
	total := 0
	for _, fruit := range slices.Sorted(maps.Keys(cart)) {
		lines = append(lines, cartLine{fruit, cart[fruit]})
		total += cart[fruit]
	}
	return render(w, map[string]any{
		"User":    s.Subject(),
		"Flash":   flash,
		"Fruits":  fruits,
		"Cart":    lines,
		"Total":   total,
		"Devices": devices,
	})
}
