package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gosession.dev/session"
)

// withGin wraps the whole engine; c.Request.Context() has the session. If a handler writes
// nothing, gin answers 200, so the handlers themselves answer when the store fails.
func withGin(sessions *session.Factory) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.Recovery())
	engine.GET("/", func(c *gin.Context) {
		text, err := visit(c.Request.Context())
		if err != nil {
			c.AbortWithStatus(http.StatusServiceUnavailable)
			return
		}
		c.String(http.StatusOK, "%s", text)
	})
	engine.POST("/login", func(c *gin.Context) {
		if err := signIn(c.Request.Context(), c.PostForm("user")); err != nil {
			c.AbortWithStatus(http.StatusServiceUnavailable)
			return
		}
		c.Redirect(http.StatusSeeOther, "/")
	})
	engine.POST("/logout", func(c *gin.Context) {
		if err := signOut(c.Request.Context()); err != nil {
			c.String(http.StatusServiceUnavailable, "try again")
			return
		}
		c.Redirect(http.StatusSeeOther, "/")
	})
	return sessions.Handler(engine)
}
