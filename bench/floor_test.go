package bench

import (
	"database/sql"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"gosession.dev/session/drivers/sqlstore"
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

// openStatements returns a floor that executes the two statements that no store in a database can do
// without, prepared, through database/sql: a SELECT of all that is known of a session and, to write,
// a conditional UPDATE of what changes. The table is that of drivers/sqlstore.
func openStatements(open func(*testing.B) *sql.DB, d sqlstore.Dialect) func(*testing.B, values) site {
	return func(b *testing.B, v values) site {
		db := open(b)
		must := func(err error) {
			if err != nil {
				b.Fatal(err)
			}
		}
		ddl, err := d.DDL(sqlstore.Options{})
		must(err)
		for _, statement := range ddl {
			_, err := db.Exec(statement)
			must(err)
		}
		prepare := func(text string) *sql.Stmt {
			parts := strings.Split(text, "?")
			for n := range len(parts) - 1 {
				parts[n] += d.Placeholder(n + 1)
			}
			stmt, err := db.Prepare(strings.Join(parts, ""))
			must(err)
			return stmt
		}
		insert := prepare(`INSERT INTO sessions (id, data, meta, created, expires, subject, version) VALUES (?, ?, ?, ?, ?, ?, ?)`)
		sel := prepare(`SELECT data, meta, created, expires, subject, version FROM sessions WHERE id = ?`)
		update := prepare(`UPDATE sessions SET data = ?, meta = ?, expires = ?, subject = ?, version = ? WHERE id = ? AND version = ?`)
		expires := time.Now().Add(time.Hour).UnixMilli()
		get := func(r *http.Request, id string) (s row, err error) {
			err = sel.QueryRowContext(r.Context(), id).Scan(&s.data, &s.meta, &s.created, &s.expires, &s.subject, &s.version)
			return s, err
		}
		return site{
			create: bare(func(r *http.Request, id string) error {
				_, err := insert.Exec(id, encoded(v), make([]byte, 40), expires, expires, "", 1)
				return err
			}).ServeHTTP,
			works: map[string]http.Handler{
				read: bare(func(r *http.Request, id string) error {
					_, err := get(r, id)
					return err
				}),
				write: bare(func(r *http.Request, id string) error {
					s, err := get(r, id)
					if err == nil {
						s.data[len(s.data)/2]++
						_, err = update.ExecContext(r.Context(), s.data, s.meta, s.expires, s.subject, s.version+1, id, s.version)
					}
					return err
				}),
			},
		}
	}
}

// row is a row of a floor's table.
type row struct {
	data, meta                []byte
	created, expires, version int64
	subject                   string
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
