package bench

import (
	"net/http"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/cookie"
	"github.com/gin-contrib/sessions/memcached"
	"github.com/gin-contrib/sessions/memstore"
	"github.com/gin-contrib/sessions/mongo/mongodriver"
	"github.com/gin-gonic/gin"
)

// openGin returns sites without signin, because gin-contrib/sessions cannot change an ID.
func openGin(open func(*testing.B) sessions.Store) func(*testing.B, values) site {
	gin.SetMode(gin.ReleaseMode)
	return func(b *testing.B, v values) site {
		store := open(b)
		serve := func(do func(sessions.Session) error) http.Handler {
			engine := gin.New()
			engine.Use(sessions.Sessions(cookieName, store))
			engine.GET("/", func(c *gin.Context) { answer(c.Writer, do(sessions.Default(c))) })
			return engine
		}
		return site{
			create: serve(func(s sessions.Session) error {
				for key, value := range v {
					s.Set(key, value)
				}
				return s.Save()
			}).ServeHTTP,
			works: map[string]http.Handler{
				untouched: serve(func(sessions.Session) error { return nil }),
				read: serve(func(s sessions.Session) error {
					n, _ := s.Get(counter).(int)
					return checkCounter(n > 0)
				}),
				write: serve(func(s sessions.Session) error {
					n, _ := s.Get(counter).(int)
					s.Set(counter, n+1)
					if err := s.Save(); err != nil {
						return err
					}
					return checkCounter(n > 0)
				}),
			},
		}
	}
}

func ginMemory(*testing.B) sessions.Store { return memstore.NewStore(gorillaKeys()...) }
func ginCookie(*testing.B) sessions.Store { return cookie.NewStore(gorillaKeys()...) }

func ginMemcached(b *testing.B) sessions.Store {
	client := memcache.New(startMemcached(b))
	client.MaxIdleConns = idleConns
	return memcached.NewStore(client, "", gorillaKeys()...)
}

func ginMongo(b *testing.B) sessions.Store {
	return mongodriver.NewStore(openMongoV1(b).Collection("sessions"), 3600, false, gorillaKeys()...)
}
