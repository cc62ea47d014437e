package main

import (
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"gosession.dev/session"
)

// withEcho wraps the whole engine; c.Request().Context() has the session. Echo answers the
// errors that a handler returns, so the handlers return nil where Config.OnError answers.
func withEcho(sessions *session.Factory) http.Handler {
	e := echo.New()
	e.Use(middleware.Recover())
	e.GET("/", func(c echo.Context) error {
		text, err := visit(c.Request().Context())
		if err != nil {
			return nil // Config.OnError answers
		}
		return c.String(http.StatusOK, text)
	})
	e.POST("/login", func(c echo.Context) error {
		if err := signIn(c.Request().Context(), c.FormValue("user")); err != nil {
			return nil
		}
		return c.Redirect(http.StatusSeeOther, "/")
	})
	e.POST("/logout", func(c echo.Context) error {
		if err := signOut(c.Request().Context()); err != nil {
			return c.String(http.StatusServiceUnavailable, "try again")
		}
		return c.Redirect(http.StatusSeeOther, "/")
	})
	return sessions.Handler(e)
}
