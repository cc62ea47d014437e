package bench

import (
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// The floor is a bare handler that reads and sets a cookie like that of a session, alone or with the
// calls that no store can do without.

// bare returns a handler that reads and sets the cookie, and calls do with its value.
func bare(do func(r *http.Request, id string) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie(cookieName)
		if err != nil {
			c = &http.Cookie{Value: string(encoded(random(16)))[1:17]}
		}
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: c.Value, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
		answer(w, do(r, c.Value))
	})
}

func nothing(*http.Request, string) error { return nil }

func openNone(*testing.B, values) site {
	return site{create: bare(nothing).ServeHTTP, works: map[string]http.Handler{
		untouched: bare(nothing), read: bare(nothing), write: bare(nothing), signin: bare(nothing),
	}}
}

// statements are the SQL of a floor: a SELECT and, to write, a conditional UPDATE.
type statements struct{ schema, insert, sel, update string }

var sqliteStatements = statements{
	`CREATE TABLE s (id TEXT PRIMARY KEY, data BLOB NOT NULL, expires INTEGER NOT NULL, version INTEGER NOT NULL);
		CREATE INDEX s_expires ON s(expires);`,
	`INSERT INTO s VALUES (?, ?, ?, 1)`,
	`SELECT data, expires, version FROM s WHERE id = ?`,
	`UPDATE s SET data = ?, expires = ?, version = version + 1 WHERE id = ? AND version = ?`,
}

// openStatements returns a floor that executes prepared statements through database/sql.
func openStatements(open func(*testing.B) *sql.DB, st statements) func(*testing.B, values) site {
	return func(b *testing.B, v values) site {
		db, data := open(b), encoded(v)
		must := func(err error) {
			if err != nil {
				b.Fatal(err)
			}
		}
		prepare := func(text string) *sql.Stmt {
			stmt, err := db.Prepare(text)
			must(err)
			return stmt
		}
		_, err := db.Exec(st.schema)
		must(err)
		insert, sel, update := prepare(st.insert), prepare(st.sel), prepare(st.update)
		get := func(r *http.Request, id string) (version int64, err error) {
			var data []byte
			var expires int64
			return version, sel.QueryRowContext(r.Context(), id).Scan(&data, &expires, &version)
		}
		return site{
			create: bare(func(r *http.Request, id string) error {
				_, err := insert.Exec(id, data, 1)
				return err
			}).ServeHTTP,
			works: map[string]http.Handler{
				read: bare(func(r *http.Request, id string) error {
					_, err := get(r, id)
					return err
				}),
				write: bare(func(r *http.Request, id string) error {
					version, err := get(r, id)
					if err == nil {
						_, err = update.ExecContext(r.Context(), data, 1, id, version)
					}
					return err
				}),
			},
		}
	}
}

// openMemcacheClient opens a floor that executes get and, to write, cas.
func openMemcacheClient(b *testing.B, v values) site {
	client, data := memcache.New(startMemcached(b)), encoded(v)
	client.MaxIdleConns = idleConns
	return site{
		create: bare(func(_ *http.Request, id string) error {
			return client.Set(&memcache.Item{Key: id, Value: data})
		}).ServeHTTP,
		works: map[string]http.Handler{
			read: bare(func(_ *http.Request, id string) error {
				_, err := client.Get(id)
				return err
			}),
			write: bare(func(_ *http.Request, id string) error {
				it, err := client.Get(id)
				if err == nil {
					err = client.CompareAndSwap(it)
				}
				return err
			}),
		},
	}
}

// openMongoClient opens a floor that executes FindOne and, to write, a conditional UpdateOne. Its
// documents and filters are those that a store needs: a key that can change, unlike an _id, and an
// expiry that has not passed.
func openMongoClient(b *testing.B, v values) site {
	client, err := mongo.Connect(options.Client().ApplyURI(mongoDSN(b)))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Disconnect(b.Context()) })
	c, data := client.Database("bench").Collection("s"), bson.Binary{Data: encoded(v)}
	_, err = c.Indexes().CreateOne(b.Context(), mongo.IndexModel{Keys: bson.D{{Key: "key", Value: 1}}, Options: options.Index().SetUnique(true)})
	if err != nil {
		b.Fatal(err)
	}
	live := func(id string) bson.D {
		return bson.D{{Key: "key", Value: id}, {Key: "expires", Value: bson.D{{Key: "$gt", Value: time.Now()}}}}
	}
	document := func(id string) bson.D {
		return bson.D{
			{Key: "key", Value: id}, {Key: "data", Value: data}, {Key: "meta", Value: bson.Binary{Data: make([]byte, 40)}},
			{Key: "created", Value: time.Now()}, {Key: "expires", Value: time.Now().Add(time.Hour)},
			{Key: "subject", Value: ""}, {Key: "version", Value: 1},
		}
	}
	find := func(r *http.Request, id string) error {
		_, err := c.FindOne(r.Context(), live(id)).Raw()
		return err
	}
	return site{
		create: bare(func(r *http.Request, id string) error {
			_, err := c.InsertOne(r.Context(), document(id))
			return err
		}).ServeHTTP,
		works: map[string]http.Handler{
			read: bare(find),
			write: bare(func(r *http.Request, id string) error {
				if err := find(r, id); err != nil {
					return err
				}
				_, err := c.UpdateOne(r.Context(), append(live(id), bson.E{Key: "version", Value: 1}), bson.D{{Key: "$set", Value: document(id)}})
				return err
			}),
		},
	}
}
