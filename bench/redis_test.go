package bench

import (
	"net/http"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/boj/redistore"
	ginsessions "github.com/gin-contrib/sessions"
	ginredis "github.com/gin-contrib/sessions/redis"
	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/sessions"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"gosession.dev/session/internal/testserver"
)

// startRedis starts a server that keeps its data in memory alone.
func startRedis(b *testing.B) string { return testserver.StartRedis(b).Addr }

func redisDSN(b *testing.B) string { return "redis://" + startRedis(b) }

// redisHeader is about as large as what a store keeps with the data: the key, the meta data of the
// session, times and a version.
const redisHeader = 112

// setIf is the smallest script that sets a value if the old one has a version: its second byte to its
// ninth.
var setIf = rueidis.NewLuaScript(`
if redis.call('GETRANGE', KEYS[1], 1, 8) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`)

// openRueidis returns a floor that executes GET and, to write, SET or, conditionally, setIf.
func openRueidis(conditional bool) func(*testing.B, values) site {
	return func(b *testing.B, v values) site {
		client, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{startRedis(b)}, DisableCache: true, DisableRetry: true, ForceSingleClient: true,
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(client.Close)
		get := func(r *http.Request, id string) (string, error) {
			return client.Do(r.Context(), client.B().Get().Key(id).Build()).ToString()
		}
		set := func(r *http.Request, id, value string) error {
			return client.Do(r.Context(), client.B().Set().Key(id).Value(value).Px(time.Hour).Build()).Error()
		}
		change := set
		if conditional {
			change = func(r *http.Request, id, value string) error {
				return setIf.Exec(r.Context(), client, []string{id}, []string{value[1:9], value, "3600000"}).Error()
			}
		}
		value := string(append(make([]byte, redisHeader), encoded(v)...))
		return site{
			create: bare(func(r *http.Request, id string) error { return set(r, id, value) }).ServeHTTP,
			works: map[string]http.Handler{
				read: bare(func(r *http.Request, id string) error {
					_, err := get(r, id)
					return err
				}),
				write: bare(func(r *http.Request, id string) error {
					value, err := get(r, id)
					if err == nil {
						err = change(r, id, value)
					}
					return err
				}),
			},
		}
	}
}

func scsGoRedis(b *testing.B) scs.Store {
	client := goredis.NewClient(&goredis.Options{Addr: startRedis(b), PoolSize: idleConns})
	b.Cleanup(func() { _ = client.Close() })
	return goredisstore.New(client)
}

func redigoPool(b *testing.B) *redis.Pool {
	addr := startRedis(b)
	pool := &redis.Pool{MaxIdle: idleConns, Dial: func() (redis.Conn, error) { return redis.Dial("tcp", addr) }}
	b.Cleanup(func() { _ = pool.Close() })
	return pool
}

func gorillaRedis(b *testing.B) sessions.Store {
	store, err := redistore.NewRediStoreWithPool(redigoPool(b), gorillaKeys()...)
	if err != nil {
		b.Fatal(err)
	}
	store.SetMaxLength(1 << 20)
	return store
}

func ginRedis(b *testing.B) ginsessions.Store {
	store, err := ginredis.NewStoreWithPool(redigoPool(b), gorillaKeys()...)
	if err != nil {
		b.Fatal(err)
	}
	inner, err := ginredis.GetRedisStore(store)
	if err != nil {
		b.Fatal(err)
	}
	inner.SetMaxLength(1 << 20)
	return store
}
