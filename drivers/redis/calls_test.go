package redis

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest/netfault"
	"gosession.dev/session/internal/testserver"
)

// calls are the calls that need one round trip, each on a record of its own.
var calls = map[string]func(ctx context.Context, s *Store, r *driver.Record) error{
	"Create": func(ctx context.Context, s *Store, r *driver.Record) error {
		r.Key += "-new"
		return s.Create(ctx, r)
	},
	"Retrieve": func(ctx context.Context, s *Store, r *driver.Record) error {
		_, err := s.Retrieve(ctx, r.Key)
		return err
	},
	"Flush": func(ctx context.Context, s *Store, r *driver.Record) error { return s.Flush(ctx, r) },
	"Touch": func(ctx context.Context, s *Store, r *driver.Record) error {
		return s.Touch(ctx, r.Key, r.Expires.Add(time.Minute))
	},
	"ChangeID": func(ctx context.Context, s *Store, r *driver.Record) error {
		oldKey := r.Key
		r.Key += "-new"
		return s.ChangeID(ctx, oldKey, r)
	},
	"Destroy": func(ctx context.Context, s *Store, r *driver.Record) error { return s.Destroy(ctx, r.Key) },
	"DestroySubject": func(ctx context.Context, s *Store, r *driver.Record) error {
		return s.DestroySubject(ctx, r.Subject, "other")
	},
	"Renamed": func(ctx context.Context, s *Store, r *driver.Record) error {
		if _, err := s.Renamed(ctx, r.Key); !errors.Is(err, driver.ErrNotFound) {
			return fmt.Errorf("Renamed = %w; want ErrNotFound", err)
		}
		return nil
	},
	"Ping": func(ctx context.Context, s *Store, _ *driver.Record) error { return s.Ping(ctx) },
}

// create stores a record whose key and subject are name.
func create(t testing.TB, s *Store, name string) *driver.Record {
	t.Helper()
	r := record(name, time.Hour)
	r.Subject = name
	require.NoError(t, s.Create(t.Context(), r))
	return r
}

var stat = regexp.MustCompile(`cmdstat_(get|evalsha|eval):calls=(\d+),usec=(\d+)`)

// executed returns how many commands of the store the server has executed, not counting what scripts
// call, and for how long, since CONFIG RESETSTAT.
func executed(t testing.TB, server testserver.Redis) (calls, usec int) {
	t.Helper()
	for _, m := range stat.FindAllStringSubmatch(server.Do(t, "INFO", "commandstats"), -1) {
		n, err := strconv.Atoi(m[2])
		require.NoError(t, err)
		u, err := strconv.Atoi(m[3])
		require.NoError(t, err)
		calls, usec = calls+n, usec+u
	}
	return calls, usec
}

// Each call takes one round trip, also for a session with a subject. After a restart of the server,
// which loses the scripts, the first call of a kind takes two.
func TestRoundTrips(t *testing.T) {
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	for name, call := range calls {
		require.NoError(t, call(t.Context(), s, create(t, s, name+"-first")), name)
		for range 3 {
			r := create(t, s, name+strconv.Itoa(int(prefixes.Add(1))))
			server.Do(t, "CONFIG", "RESETSTAT")
			require.NoError(t, call(t.Context(), s, r), name)
			n, _ := executed(t, server)
			require.Equal(t, 1, n, name)
		}
		r := create(t, s, name+"-last")
		server.Do(t, "SCRIPT", "FLUSH")
		require.NoError(t, call(t.Context(), s, r), "%s after SCRIPT FLUSH", name)
	}
}

// If the answer to a write is lost after the server has executed it, the write succeeds, and was
// executed once. Destroy can't tell, and fails.
func TestLostAnswers(t *testing.T) {
	server := testserver.StartRedis(t)
	proxy := netfault.Start(t, server.Addr)
	s, direct := open(t, dsnOf(proxy.Addr, "a:")), open(t, dsnOf(server.Addr, "a:"))
	for name, call := range calls {
		require.NoError(t, call(t.Context(), s, create(t, s, name+"-first")), name)
		r := create(t, s, name)
		version := r.Version
		proxy.ResetOnce(0)
		err := call(t.Context(), s, r)
		proxy.Heal()
		stored, found := direct.Retrieve(t.Context(), r.Key)
		switch name {
		case "Destroy":
			require.ErrorContains(t, err, "redis: ")
			require.NotErrorIs(t, err, driver.ErrNotFound)
			require.ErrorIs(t, found, driver.ErrNotFound)
		case "DestroySubject":
			require.NoError(t, err)
			require.ErrorIs(t, found, driver.ErrNotFound)
		default:
			require.NoError(t, err, name)
			require.NoError(t, found, name)
			require.Equal(t, r.Version, stored.Version, name)
			if name == "Create" || name == "Flush" || name == "ChangeID" {
				require.NotEqual(t, version, stored.Version, name)
			}
		}
	}
}

// A Create whose answer is lost is not sent again: a Destroy may have ended the session meanwhile.
func TestCreateIsSentOnce(t *testing.T) {
	server := testserver.StartRedis(t)
	proxy := netfault.Start(t, server.Addr)
	s, direct := open(t, dsnOf(proxy.Addr, "a:")), open(t, dsnOf(server.Addr, "a:"))
	create(t, s, "first")
	server.Do(t, "CONFIG", "RESETSTAT")
	proxy.Swallow()
	done := make(chan error, 1)
	go func() { done <- s.Create(t.Context(), record("k", time.Hour)) }()
	require.Eventually(t, func() bool { return direct.Destroy(t.Context(), "k") == nil }, 10*time.Second, time.Millisecond)
	proxy.Heal()
	require.ErrorContains(t, <-done, "redis: ")
	_, err := direct.Retrieve(t.Context(), "k")
	require.ErrorIs(t, err, driver.ErrNotFound)
}
