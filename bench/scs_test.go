package bench

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/alexedwards/scs/mongodbstore"
	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
)

func openSCS(open func(*testing.B) scs.Store) func(*testing.B, values) site {
	return func(b *testing.B, v values) site {
		m := scs.New()
		m.Store = open(b)
		m.Lifetime = 24 * time.Hour
		serve := func(do func(*http.Request) error) http.Handler {
			return m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, do(r)) }))
		}
		return site{
			create: serve(func(r *http.Request) error {
				for _, key := range v.keys() {
					m.Put(r.Context(), key, v[key])
				}
				return nil
			}).ServeHTTP,
			works: map[string]http.Handler{
				untouched: serve(func(*http.Request) error { return nil }),
				read: serve(func(r *http.Request) error {
					return checkCounter(m.GetInt(r.Context(), counter) > 0)
				}),
				write: serve(func(r *http.Request) error {
					n := m.GetInt(r.Context(), counter)
					m.Put(r.Context(), counter, n+1)
					return checkCounter(n > 0)
				}),
				signin: serve(func(r *http.Request) error { return m.RenewToken(r.Context()) }),
			},
		}
	}
}

func scsMemory(*testing.B) scs.Store { return memstore.NewWithCleanupInterval(0) }

func scsSQLite(synchronous string) func(*testing.B) scs.Store {
	return func(b *testing.B) scs.Store {
		db := openSQLite(synchronous)(b)
		if _, err := db.Exec(`CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
			CREATE INDEX sessions_expiry_idx ON sessions(expiry);`); err != nil {
			b.Fatal(err)
		}
		return sqlite3store.NewWithCleanupInterval(db, 0)
	}
}

// scsMongo needs a MongoDB server. The store of scs finds a session by an indexed field, and FerretDB,
// which the tests build, would read the whole collection for that.
func scsMongo(b *testing.B) scs.Store {
	if os.Getenv("SESSION_TEST_MONGO_URI") == "" {
		b.Skip("scs/mongodbstore needs a MongoDB server: set SESSION_TEST_MONGO_URI to its URI")
	}
	return mongodbstore.NewWithCleanupInterval(openMongoV1(b), 0)
}
