package main

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"gosession.dev/session"
)

// withFiber uses the primitives, for Fiber is not net/http. Its strings have to be
// Immutable, or the next request writes over what a session has been given.
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

// fiberSessions is what Factory.Handler is for net/http: it finds the session, gives it
// to the handlers, stores it before the answer leaves, and sets the cookie.
func fiberSessions(sessions *session.Factory) fiber.Handler {
	const cookie = "__Host-session"
	return func(c *fiber.Ctx) error {
		ctx := c.UserContext()
		s, err := sessions.Retrieve(ctx, session.ID(c.Cookies(cookie)))
		if errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrCorrupt) {
			s, err = sessions.Create(ctx)
		}
		if err != nil {
			return fiber.ErrServiceUnavailable
		}
		c.SetUserContext(session.NewContext(ctx, s))
		if err := c.Next(); err != nil {
			return err
		}
		if err := s.Flush(ctx); err != nil && !errors.Is(err, session.ErrNotFound) {
			return fiber.ErrServiceUnavailable
		}
		if set := sessions.Cookie(s); set != nil {
			expires := time.Time{}
			if set.MaxAge != 0 {
				expires = time.Now().Add(time.Duration(set.MaxAge) * time.Second)
			}
			c.Cookie(&fiber.Cookie{
				Name: set.Name, Value: set.Value, Path: set.Path, Expires: expires,
				Secure: set.Secure, HTTPOnly: set.HttpOnly, SameSite: fiber.CookieSameSiteLaxMode,
			})
		}
		return nil
	}
}
