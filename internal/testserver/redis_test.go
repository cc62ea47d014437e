package testserver

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

func TestRedisKeepsWhatWasAcknowledged(t *testing.T) {
	r := StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	for _, want := range []string{"1", "2", "3"} {
		r.Do(t, "INCR", "n")
		r.Stop()
		if conn, err := net.Dial("tcp", r.Addr); err == nil {
			conn.Close()
			t.Error("the server listens after Stop")
		}
		r.Start()
		if got := r.Do(t, "GET", "n"); got != want {
			t.Errorf("n after Stop and Start = %q; want %q", got, want)
		}
	}
}

func TestRedisLosesData(t *testing.T) {
	r := StartRedis(t)
	r.Do(t, "SET", "n", "1")
	r.Stop()
	r.Start()
	if got := r.Do(t, "EXISTS", "n"); got != "0" {
		t.Errorf("EXISTS after Stop and Start = %q; want 0", got)
	}
}

// TestRedisHasLoaded checks that Start waits until the server has read its data.
func TestRedisHasLoaded(t *testing.T) {
	r := StartRedis(t, "--appendonly", "yes", "--key-load-delay", "2000") // microseconds for each key
	r.Do(t, "EVAL", "for i = 1, 200 do redis.call('SET', i, i) end", "0")
	r.Stop()
	r.Start()
	if got := r.Do(t, "DBSIZE"); got != "200" {
		t.Errorf("DBSIZE = %q; want 200", got)
	}
}

func TestRedisPassword(t *testing.T) {
	r := StartRedis(t, "--requirepass", "swordfish")
	if got := r.Do(t, "ECHO", "hello"); got != "hello" {
		t.Errorf("ECHO = %q; want hello", got)
	}
	r.password = ""
	var refused redisError
	if _, err := r.do(time.Second, "ECHO", "hello"); !errors.As(err, &refused) || !strings.HasPrefix(string(refused), "NOAUTH") {
		t.Errorf("ECHO without a password = %v; want NOAUTH", err)
	}
}

func TestRedisFreeze(t *testing.T) {
	r := StartRedis(t)
	r.Freeze()
	if _, err := r.do(200*time.Millisecond, "PING"); !errors.Is(err, net.ErrClosed) && !isTimeout(err) {
		t.Errorf("PING after Freeze = %v; want a timeout", err)
	}
	r.Thaw()
	if got := r.Do(t, "PING"); got != "PONG" {
		t.Errorf("PING after Thaw = %q; want PONG", got)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestRedisAnswers(t *testing.T) {
	r := StartRedis(t)
	r.Do(t, "RPUSH", "list", "a", "b\r\n", "")
	for _, c := range []struct{ command, want string }{
		{"GET missing", ""},
		{"LRANGE list 0 -1", "a\nb\r\n\n"},
		{"LLEN list", "3"},
		{"LRANGE missing 0 -1", ""},
	} {
		if got := r.Do(t, strings.Fields(c.command)...); got != c.want {
			t.Errorf("%s = %q; want %q", c.command, got, c.want)
		}
	}
	for _, command := range [][]string{{"INCR", "list"}, {"EVAL", "return {1, redis.error_reply('WRONG x'), 2}", "0"}} {
		var refused redisError
		if _, err := r.do(time.Second, command...); !errors.As(err, &refused) || !strings.HasPrefix(string(refused), "WRONG") {
			t.Errorf("%s = %v; want an error of the server", command[0], err)
		}
	}
}

// setAndWait sets a key to 1, and waits until so many replicas have it: WAIT is about the writes of
// its own connection.
func setAndWait(t *testing.T, primary Redis, key, replicas string) {
	t.Helper()
	conn, err := net.Dial("tcp", primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := newRedisConn(conn)
	if _, err := c.do("SET", key, "1"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.do("WAIT", replicas, "0"); err != nil || got != replicas {
		t.Fatalf("WAIT = %q, %v; want %s", got, err, replicas)
	}
}

func TestSentinelFailover(t *testing.T) {
	s := StartSentinel(t, 2)
	primary := s.Primary(t)
	if primary.Addr != s.Servers[0].Addr {
		t.Errorf("Primary = %s; want %s", primary.Addr, s.Servers[0].Addr)
	}
	setAndWait(t, primary, "n", "2")
	old := s.StopPrimary(t)
	if old.Addr != primary.Addr {
		t.Errorf("StopPrimary = %s; want %s", old.Addr, primary.Addr)
	}
	next := s.Primary(t)
	if next.Addr == old.Addr {
		t.Fatal("the primary server is the one that was stopped")
	}
	if got := next.Do(t, "GET", "n"); got != "1" {
		t.Errorf("n on the new primary server = %q; want 1", got)
	}
	next.Do(t, "SET", "n", "2")
	old.Start()
	await(t, "the old primary server", old.replicates)
	await(t, "the old primary server", func() error {
		if got := old.Do(t, "GET", "n"); got != "2" {
			return errors.New("n = " + got)
		}
		return nil
	})
	if got := s.Primary(t); got.Addr == old.Addr { // on a busy machine, the third server may have taken over
		t.Errorf("Primary = %s, which was stopped and is a replica", got.Addr)
	}
}

func TestRedisClusterFailover(t *testing.T) {
	c := StartRedisCluster(t)
	primary := c.Primary(t, "{a}n")
	setAndWait(t, primary, "{a}n", "1")
	old := c.StopPrimary(t, "{a}x")
	if old.Addr != primary.Addr {
		t.Errorf("StopPrimary = %s; want %s", old.Addr, primary.Addr)
	}
	next := c.Primary(t, "{a}")
	if next.Addr == old.Addr {
		t.Fatal("the primary server is the one that was stopped")
	}
	if got := next.Do(t, "GET", "{a}n"); got != "1" {
		t.Errorf("n on the new primary server = %q; want 1", got)
	}
	old.Start()
	await(t, "the old primary server", old.replicates)
}

func TestRedisClusterMigration(t *testing.T) {
	c := StartRedisCluster(t)
	primary := c.Primary(t, "{a}")
	primary.Do(t, "SET", "{a}n", "1")
	m := c.Migrate(t, "{a}")
	if m.From.Addr != primary.Addr {
		t.Errorf("From = %s; want %s", m.From.Addr, primary.Addr)
	}
	check := func(stage, key, want string) {
		t.Helper()
		got, err := m.From.do(time.Second, "GET", key)
		if err != nil {
			got, _, _ = strings.Cut(err.Error(), " ")
		}
		if got != want {
			t.Errorf("%s: GET %s = %q; want %q", stage, key, got, want)
		}
	}
	check("at first", "{a}n", "1")
	check("at first", "{a}missing", "ASK")
	m.MoveKeys(t)
	check("after MoveKeys", "{a}n", "ASK")
	m.Finish(t)
	check("after Finish", "{a}n", "MOVED")
	if got := c.Primary(t, "{a}"); got.Addr != m.To.Addr {
		t.Errorf("Primary = %s; want %s", got.Addr, m.To.Addr)
	}
	if got := m.To.Do(t, "GET", "{a}n"); got != "1" {
		t.Errorf("n on the new server = %q; want 1", got)
	}
}
