package memcache

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// A corrupt epoch prevents neither a sign-in nor DestroySubject. The sessions that it admitted before
// stay ended.
func TestCorruptEpoch(t *testing.T) {
	ctx := t.Context()
	addr := testserver.StartMemcached(t).Addr
	for name, value := range map[string]string{
		"empty": "", "not JSON": "?", "truncated": `{"n":1`, "without a number": "{}", "zero": `{"n":0}`, "of another type": `{"n":"1"}`,
		"with wrong exceptions": `{"n":7,"x":1}`,
	} {
		for method, repair := range map[string]func(s *Store) error{
			"Create": func(s *Store) error {
				r := record("new", time.Hour)
				r.Subject = "ada"
				return s.Create(ctx, r)
			},
			"ChangeID of an anonymous session": func(s *Store) error {
				r, err := s.Retrieve(ctx, "anonymous")
				if err != nil {
					return err
				}
				r.Key, r.Subject = "new", "ada"
				return s.ChangeID(ctx, "anonymous", r)
			},
			"ChangeID of a session of another subject": func(s *Store) error {
				r, err := s.Retrieve(ctx, "bob")
				if err != nil {
					return err
				}
				r.Key, r.Subject = "new", "ada"
				return s.ChangeID(ctx, "bob", r)
			},
			"DestroySubject": func(s *Store) error { return s.DestroySubject(ctx, "ada", "old") },
		} {
			t.Run(name+"/"+method, func(t *testing.T) {
				s := open(t, addr+"?prefix=p"+rand.Text()+":")
				for key, subject := range map[string]string{"old": "ada", "bob": "bob", "anonymous": ""} {
					r := record(key, time.Hour)
					r.Subject = subject
					require.NoError(t, s.Create(ctx, r))
				}
				require.NoError(t, gomemcache(t, s).Set(&memcache.Item{Key: s.epochKey("ada"), Value: []byte(value)}))

				_, err := s.Retrieve(ctx, "old")
				require.ErrorIs(t, err, driver.ErrCorrupt)
				require.ElementsMatch(t, []string{"bob", "anonymous"}, keysOf(t, s))
				require.NoError(t, repair(s))
				_, err = s.Retrieve(ctx, "old")
				require.ErrorIs(t, err, driver.ErrNotFound)
				if method != "DestroySubject" {
					_, err = s.Retrieve(ctx, "new")
					require.NoError(t, err)
				}
			})
		}
	}
}

// keysOf returns the keys of a listing.
func keysOf(t testing.TB, s *Store) (keys []string) {
	t.Helper()
	for key, err := range s.Sessions(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

// An epoch expires, and later than each session that carries it. An epoch of release 0.1 does not
// expire.
func TestEpochExpires(t *testing.T) {
	ctx := t.Context()
	addr := testserver.StartMemcached(t).Addr
	for name, old := range map[string]string{"new": "", "of release 0.1": `{"n":7}`} {
		t.Run(name, func(t *testing.T) {
			s := open(t, addr+"?prefix=p"+rand.Text()+":")
			if old != "" {
				require.NoError(t, gomemcache(t, s).Set(&memcache.Item{Key: s.epochKey("ada"), Value: []byte(old)}))
			}
			later := time.Now().UTC().Truncate(time.Millisecond)
			r := record("k", 0)
			r.Subject = "ada"
			for _, call := range []struct {
				name string
				do   func() error
			}{
				{"Create", func() error { return s.Create(ctx, r) }},
				{"Flush", func() error { return s.Flush(ctx, r) }},
				{"Touch", func() error { return s.Touch(ctx, r.Key, r.Expires) }},
				{"ChangeID", func() error { r.Key = "k2"; return s.ChangeID(ctx, "k", r) }},
				{"Create of another session", func() error { r.Key = "k3"; return s.Create(ctx, r) }},
				{"DestroySubject", func() error { return s.DestroySubject(ctx, "ada", r.Key) }},
			} {
				if call.name != "DestroySubject" {
					later = later.Add(10 * time.Hour)
				}
				r.Expires = later
				require.NoError(t, call.do(), call.name)
				var err error
				r, err = s.Retrieve(ctx, r.Key)
				require.NoError(t, err, "Retrieve after %s", call.name)
				e, err := s.epoch(ctx, "ada")
				require.NoError(t, err)
				require.True(t, e.outlives(later), "the epoch after %s expires before the session", call.name)
				require.Equal(t, old != "", e.Until == 0, "the epoch after %s never expires", call.name)
			}
			if old == "" {
				require.Zero(t, countEndless(t, addr+"?prefix="+s.prefix))
			}
		})
	}
}

// A sign-in that finds an epoch which is gone when it extends it, is not lost.
func TestSignInWhileTheEpochGoes(t *testing.T) {
	server := testserver.StartMemcached(t).Addr
	signIns := map[string]func(ctx context.Context, s *Store) error{
		"Create": func(ctx context.Context, s *Store) error {
			r := record("new", 24*time.Hour)
			r.Subject = "ada"
			return s.Create(ctx, r)
		},
		"Flush": func(ctx context.Context, s *Store) error {
			return signIn(ctx, s, "new", s.Flush)
		},
		"ChangeID": func(ctx context.Context, s *Store) error {
			return signIn(ctx, s, "anonymous", func(ctx context.Context, r *driver.Record) error {
				r.Key = "new"
				return s.ChangeID(ctx, "anonymous", r)
			})
		},
	}
	for name, call := range signIns {
		for how, goes := range map[string]func(t *testing.T, other *Store){
			"expires": func(t *testing.T, other *Store) {
				for over := time.Now().Add(time.Minute); time.Now().Before(over); time.Sleep(50 * time.Millisecond) {
					if e, err := other.epoch(t.Context(), "ada"); err == nil && e == nil {
						return
					}
				}
				t.Error("the epoch has not expired")
			},
			"is evicted, and another process signs in": func(t *testing.T, other *Store) {
				require.NoError(t, gomemcache(t, other).Delete(other.epochKey("ada")))
				r := record("other", 24*time.Hour)
				r.Subject = "ada"
				require.NoError(t, other.Create(t.Context(), r))
			},
		} {
			t.Run(name+" while the epoch "+how, func(t *testing.T) {
				t.Parallel()
				gone := false
				for lifetime := time.Second; !gone; lifetime *= 2 { // on a busy machine, the epoch may expire before it is extended
					require.Less(t, lifetime, time.Minute, "the sign-in does not extend the epoch")
					prefix := newPrefix()
					other := open(t, server+"?prefix="+prefix)
					g := newGate(t, server)
					s := open(t, g.addr+"?timeout=2m&prefix="+prefix)
					first := record("first", lifetime)
					first.Subject = "ada"
					require.NoError(t, other.Create(t.Context(), first))
					g.judge(func(command string) verdict {
						if !gone && strings.HasPrefix(command, "cas "+other.epochKey("ada")) {
							gone = true
							goes(t, other)
						}
						return pass
					})
					require.NoError(t, call(t.Context(), s), "the sign-in is acknowledged")
					_, err := other.Retrieve(t.Context(), "new")
					require.NoError(t, err, "Retrieve after the sign-in")
				}
			})
		}
	}
}

func signIn(ctx context.Context, s *Store, key string, write func(context.Context, *driver.Record) error) error {
	if err := s.Create(ctx, record(key, 24*time.Hour)); err != nil {
		return err
	}
	r, err := s.Retrieve(ctx, key)
	if err != nil {
		return err
	}
	r.Subject = "ada"
	return write(ctx, r)
}

// An epoch that no store could read again is not written: the user could not sign in until it expires.
func TestEpochTooLarge(t *testing.T) {
	ctx := t.Context()
	addr := testserver.StartMemcached(t, "-I", "4m").Addr
	for size, n := range map[string]int{"2048": 40, "1048576": 20_000} {
		s := open(t, addr+"?prefix="+newPrefix()+"&max_item_size="+size)
		r := record("k", time.Hour)
		r.Subject = "ada"
		require.NoError(t, s.Create(ctx, r))
		except := make([]string, n)
		for i := range except {
			except[i] = rand.Text() + rand.Text()
		}
		require.ErrorIs(t, s.DestroySubject(ctx, "ada", except...), driver.ErrTooLarge)
		_, err := s.Retrieve(ctx, "k")
		require.NoError(t, err)
		require.NoError(t, s.DestroySubject(ctx, "ada", except[:8]...))
		_, err = s.Retrieve(ctx, "k")
		require.ErrorIs(t, err, driver.ErrNotFound)
		require.NoError(t, s.Create(ctx, r))
	}
}
