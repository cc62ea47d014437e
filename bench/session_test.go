package bench

import (
	"net/http"
	"testing"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/cookie"
	_ "gosession.dev/session/drivers/memcache"
	_ "gosession.dev/session/drivers/memory"
	_ "gosession.dev/session/drivers/mongo"
	_ "gosession.dev/session/drivers/mysql"
	_ "gosession.dev/session/drivers/postgres"
	_ "gosession.dev/session/drivers/redis"
	_ "gosession.dev/session/drivers/sqlite"
)

// openSession uses this library as its README shows.
func openSession(driverName string, dsn func(*testing.B) string) func(*testing.B, values) site {
	return func(b *testing.B, v values) site {
		f, err := session.Open(driverName, dsn(b))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = f.Close() })
		serve := func(do func(*http.Request, *session.Session) error) http.Handler {
			return f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.FromContext(r.Context())
				if err == nil {
					err = do(r, s)
				}
				answer(w, err)
			}))
		}
		return site{
			create: serve(func(_ *http.Request, s *session.Session) error {
				for _, key := range v.keys() {
					if err := s.Set(key, v[key]); err != nil {
						return err
					}
				}
				return nil
			}).ServeHTTP,
			works: map[string]http.Handler{
				untouched: f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, nil) })),
				read: serve(func(_ *http.Request, s *session.Session) error {
					_, err := session.Get[int](s, counter)
					return err
				}),
				write: serve(func(_ *http.Request, s *session.Session) error {
					return session.Update(s, counter, func(n int) int { return n + 1 })
				}),
				signin: serve(func(r *http.Request, s *session.Session) error { return s.ChangeID(r.Context()) }),
			},
		}
	}
}
