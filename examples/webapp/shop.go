package main

import (
	_ "embed"
	"errors"
	"html/template"
	"log"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"gosession.dev/session"
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

var fruits = []string{"Apples", "Cherries", "Pears"}

// shop is the application. What it knows of a visitor is in the session.
type shop struct {
	sessions *session.Factory
}

func newShop(sessions *session.Factory) *shop { return &shop{sessions} }

// handler is all of the shop. Forms of other sites are refused before anything
// looks at them.
func (sh *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", sh.with(sh.show))
	mux.HandleFunc("POST /sign-in", sh.with(sh.signIn))
	mux.HandleFunc("POST /sign-out", sh.with(sh.signOut))
	mux.HandleFunc("POST /cart", sh.with(sh.addToCart))
	mux.HandleFunc("POST /devices/end", sh.with(sh.endDevice))
	mux.HandleFunc("POST /devices/end-others", sh.with(sh.endOtherDevices))
	return http.NewCrossOriginProtection().Handler(sh.sessions.Handler(mux))
}

// action is what handlers of this shop are: with a session, and with an error
// for what is nobody's fault but ours.
type action func(w http.ResponseWriter, r *http.Request, s *session.Session) error

func (sh *shop) with(do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err != nil {
			return // the store failed; Config.OnError answers
		}
		if err := do(w, r, s); err != nil {
			log.Printf("%s: %v", r.Pattern, err)
			http.Error(w, "Something went wrong; please try again.", http.StatusInternalServerError)
		}
	}
}

// back shows the page again, with a message if there is one.
func back(w http.ResponseWriter, r *http.Request, s *session.Session, message string) error {
	if err := s.Set("flash", message); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (sh *shop) signIn(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	name := strings.TrimSpace(r.FormValue("name"))
	switch {
	case name == "":
		return back(w, r, s, "Please tell your name.")
	case len(name) > 100:
		return back(w, r, s, "Please tell a shorter name.")
	}
	// Here a real shop checks a password. Signing in changes the ID.
	if err := s.SignIn(r.Context(), name); err != nil {
		return err
	}
	if err := s.SetLabel(deviceName(r.UserAgent())); err != nil {
		return err
	}
	if r.FormValue("remember") != "" {
		const day = 24 * time.Hour
		if err := s.SetTimeouts(session.Timeouts{Idle: 14 * day, Lifetime: 90 * day, Persistent: true}); err != nil {
			return err
		}
	}
	return back(w, r, s, "Welcome, "+name+"!")
}

// deviceName is by what a user recognizes a browser.
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
	return browser + " on " + first("something", "Android", "iPhone", "Windows", "Mac OS", "Linux")
}

func (sh *shop) signOut(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	if err := s.Destroy(r.Context()); err != nil {
		return err
	}
	s, err := session.FromContext(r.Context()) // a new one, for the message
	if err != nil {
		return err
	}
	return back(w, r, s, "You are signed out.")
}

// addToCart is an Update, so that no click is lost if two tabs add at once.
func (sh *shop) addToCart(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	fruit := r.FormValue("fruit")
	if !slices.Contains(fruits, fruit) {
		http.Error(w, "There is no such fruit.", http.StatusBadRequest)
		return nil
	}
	err := session.Update(s, "cart", func(cart map[string]int) map[string]int {
		if cart == nil {
			cart = map[string]int{}
		}
		cart[fruit]++
		return cart
	})
	if err != nil {
		return err
	}
	return back(w, r, s, fruit+" are in your cart.")
}

// endDevice ends a session of the user by its handle.
func (sh *shop) endDevice(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	if s.Subject() == "" {
		return back(w, r, s, "Please sign in first.")
	}
	switch err := sh.sessions.Revoke(r.Context(), s.Subject(), r.FormValue("device")); {
	case errors.Is(err, session.ErrNotFound):
		return back(w, r, s, "That device was signed out already.")
	case err != nil:
		return err
	}
	return back(w, r, s, "That device is signed out.")
}

func (sh *shop) endOtherDevices(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	if s.Subject() == "" {
		return back(w, r, s, "Please sign in first.")
	}
	switch err := sh.sessions.DestroySubject(r.Context(), s.Subject(), s.Key()); {
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
	Here bool
}

// devices returns the user's sessions, the one last seen first.
func (sh *shop) devices(r *http.Request, s *session.Session) ([]device, error) {
	if s.Subject() == "" {
		return nil, nil
	}
	var devices []device
	for info, err := range sh.sessions.SubjectSessions(r.Context(), s.Subject()) {
		if errors.Is(err, errors.ErrUnsupported) {
			return nil, nil // not every backend can tell
		}
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
	if err != nil && !errors.Is(err, session.ErrNoValue) {
		return err
	}
	cart, err := session.Get[map[string]int](s, "cart")
	if err != nil && !errors.Is(err, session.ErrNoValue) {
		return err
	}
	devices, err := sh.devices(r, s)
	if err != nil {
		return err
	}
	var lines []cartLine
	total := 0
	for _, fruit := range slices.Sorted(maps.Keys(cart)) {
		lines = append(lines, cartLine{fruit, cart[fruit]})
		total += cart[fruit]
	}
	return page.Execute(w, map[string]any{
		"User":    s.Subject(),
		"Flash":   flash,
		"Fruits":  fruits,
		"Cart":    lines,
		"Total":   total,
		"Devices": devices,
	})
}
