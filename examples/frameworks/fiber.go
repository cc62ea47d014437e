package main

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"gosession.dev/session"
)

// withFiber calls the methods of the factory itself, because Fiber is not net/http. The
// option Immutable is necessary: otherwise the next request overwrites strings that a session
// has been given.
func withFiber(sessions *session.Factory) *fiber.App {
	app := fiber.New(fiber.Config{DisableStartupMessage: true, Immutable: true})
	app.Use(fiberSessions(sessions))
	app.Get("/", func(c *fiber.Ctx) error {
		text, err := visit(c.UserContext())
		if err != nil {
			return err
		}
		return c.SendString(text)
	})
	app.Post("/login", func(c *fiber.Ctx) error { return signIn(c.UserContext(), c.FormValue("user")) })
	app.Post("/logout", func(c *fiber.Ctx) error { return signOut(c.UserContext()) })
	return app
}

// fiberSessions does for Fiber what Factory.Handler does for net/http. It finds the session,
// passes it to the handlers, stores it before the response leaves, and sets the cookie.
// Unlike Handler, it stores a session for each visitor who has none.
func fiberSessions(sessions *session.Factory) fiber.Handler {
	const cookie = "__Host-session" // as in Config.Cookie
	return func(c *fiber.Ctx) error {
		ctx := c.UserContext()
		id := session.NewID(c.Cookies(cookie))
		s, err := sessions.Retrieve(ctx, id)
		if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrCorrupt) {
			s, err = sessions.Create(ctx)
		}
		if err != nil {
			return fiber.ErrServiceUnavailable
		}
		c.SetUserContext(session.NewContext(ctx, s))
		handled := c.Next()
		if err := s.Flush(ctx); err != nil && !errors.Is(err, session.ErrNotFound) {
			return fiber.ErrServiceUnavailable
		}
		// The date of a persistent cookie changes with the timeouts, so it is sent each time.
		if set := s.Cookie(); set != nil && (set.Value != id.Reveal() || set.MaxAge > 0) {
			c.Cookie(fiberCookie(set))
		}
		return handled
	}
}

func fiberCookie(c *http.Cookie) *fiber.Cookie {
	sameSite := map[http.SameSite]string{
		http.SameSiteStrictMode: fiber.CookieSameSiteStrictMode,
		http.SameSiteNoneMode:   fiber.CookieSameSiteNoneMode,
	}
	set := &fiber.Cookie{
		Name: c.Name, Value: c.Value, Path: c.Path, Domain: c.Domain, Secure: c.Secure, HTTPOnly: c.HttpOnly,
		SameSite: cmp.Or(sameSite[c.SameSite], fiber.CookieSameSiteLaxMode),
	}
	if c.MaxAge != 0 {
		set.Expires = time.Now().Add(time.Duration(c.MaxAge) * time.Second)
	}
	return set
}
