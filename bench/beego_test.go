package bench

import (
	"net/http"
	"testing"

	"github.com/beego/beego/v2/server/web/session"
	_ "github.com/beego/beego/v2/server/web/session/memcache"
)

// openBeego returns sites that share one server, because beego has one provider per process.
func openBeego(provider string, config func(*testing.B) string) func(*testing.B, values) site {
	server := ""
	return func(b *testing.B, v values) site {
		if server == "" {
			server = config(b)
		}
		m, err := session.NewManager(provider, &session.ManagerConfig{
			CookieName:      cookieName,
			EnableSetCookie: true,
			Gclifetime:      3600,
			Maxlifetime:     3600,
			ProviderConfig:  server,
		})
		if err != nil {
			b.Fatal(err)
		}
		serve := func(begin func(http.ResponseWriter, *http.Request) (session.Store, error), do func(*http.Request, session.Store) error) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := begin(w, r)
				if err == nil {
					err = do(r, s)
				}
				if err == nil {
					s.SessionRelease(r.Context(), w)
				}
				answer(w, err)
			})
		}
		s := site{
			create: serve(m.SessionStart, func(r *http.Request, s session.Store) error {
				for key, value := range v {
					if err := s.Set(r.Context(), key, value); err != nil {
						return err
					}
				}
				return nil
			}).ServeHTTP,
			works: map[string]http.Handler{
				untouched: serve(m.SessionStart, func(*http.Request, session.Store) error { return nil }),
				read: serve(m.SessionStart, func(r *http.Request, s session.Store) error {
					n, _ := s.Get(r.Context(), counter).(int)
					return checkCounter(n > 0)
				}),
				write: serve(m.SessionStart, func(r *http.Request, s session.Store) error {
					n, _ := s.Get(r.Context(), counter).(int)
					return checkCounter(n > 0 && s.Set(r.Context(), counter, n+1) == nil)
				}),
			},
		}
		if provider == "memory" { // the memcache provider panics
			s.works[signin] = serve(m.SessionRegenerateID, func(*http.Request, session.Store) error { return nil })
		}
		return s
	}
}
