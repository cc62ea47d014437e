package bench

import (
	"encoding/gob"
	"net/http"
	"testing"

	"github.com/gorilla/sessions"
)

const cookieName = "session"

// openGorilla returns sites without signin, because gorilla/sessions cannot change an ID.
func openGorilla(open func(*testing.B) sessions.Store) func(*testing.B, values) site {
	gob.Register(item{})
	return func(b *testing.B, v values) site {
		store := open(b)
		serve := func(saves bool, do func(*sessions.Session) error) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := store.Get(r, cookieName)
				if err == nil {
					err = do(s)
				}
				if err == nil && saves {
					err = s.Save(r, w)
				}
				answer(w, err)
			})
		}
		return site{
			create: serve(true, func(s *sessions.Session) error {
				for key, value := range v {
					s.Values[key] = value
				}
				return nil
			}).ServeHTTP,
			works: map[string]http.Handler{
				untouched: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, nil) }),
				read: serve(false, func(s *sessions.Session) error {
					n, _ := s.Values[counter].(int)
					return checkCounter(n > 0)
				}),
				write: serve(true, func(s *sessions.Session) error {
					n, _ := s.Values[counter].(int)
					s.Values[counter] = n + 1
					return checkCounter(n > 0)
				}),
			},
		}
	}
}

// gorillaKeys returns keys for HMAC and AES.
func gorillaKeys() [][]byte { return [][]byte{random(32), random(32)} }

func gorillaCookie(*testing.B) sessions.Store { return sessions.NewCookieStore(gorillaKeys()...) }

func gorillaFiles(b *testing.B) sessions.Store {
	store := sessions.NewFilesystemStore(b.TempDir(), gorillaKeys()...)
	store.MaxLength(1 << 20)
	return store
}
