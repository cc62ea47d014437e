package testserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Redis is a Redis server.
type Redis struct {
	*Server
	password string
}

// StartRedis starts a Redis with the given arguments in addition to its address. By default, Stop
// loses all data. With "--appendonly", "yes", the data survives Stop and Start; with "--appendfsync",
// "always" in addition, also all writes that were acknowledged. The password of "--requirepass" is
// also that of Do.
func StartRedis(t testing.TB, args ...string) Redis {
	t.Helper()
	return startRedis(t, "", args...)
}

// startRedis starts a Redis with the given contents of its configuration file. The server can change
// that file, but not its arguments.
func startRedis(t testing.TB, conf string, args ...string) Redis {
	t.Helper()
	s := newRedis(t, conf)
	host, port, _ := net.SplitHostPort(s.Addr)
	s.args = append(s.args, "--bind", host, "--port", port, "--dir", s.dir, "--save", "", "--loglevel", "warning",
		"--repl-diskless-sync-delay", "0") // a replica does not wait for others
	s.args = append(s.args, args...)
	if i := slices.Index(args, "--requirepass"); i >= 0 && i+1 < len(args) {
		s.password = args[i+1]
	}
	s.ready = s.answersPing
	s.launch()
	return *s
}

// newRedis returns a Redis that is not yet started and has no argument but its configuration file.
func newRedis(t testing.TB, conf string) *Redis {
	t.Helper()
	name := program(t, "redis-server", "install it: apt-get install redis-server")
	dir := t.TempDir()
	file := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: reserve(t), t: t, name: name, args: []string{file}, dir: dir, forks: true, logs: true}
	return &Redis{Server: s}
}

// answersPing returns an error until the server has loaded its data: it listens before.
func (r Redis) answersPing() error {
	var refused redisError
	_, err := r.do(time.Second, "PING")
	if errors.As(err, &refused) && !strings.HasPrefix(string(refused), "LOADING") {
		return nil // as a server may do that knows other passwords
	}
	return err
}

// Do executes a command on the server and returns its answer: lists are lines, and the absent value
// is "". An error of the server ends the test.
func (r Redis) Do(t testing.TB, command ...string) string {
	t.Helper()
	answer, err := r.do(patience, command...)
	if err != nil {
		t.Fatalf("%s at %s: %v", command[0], r.Addr, err)
	}
	return answer
}

// do executes a command within a time limit. An error of the server is a redisError.
func (r Redis) do(limit time.Duration, command ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", r.Addr, limit)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	c := newRedisConn(conn)
	if r.password != "" {
		if _, err := c.do("AUTH", r.password); err != nil {
			return "", err
		}
	}
	return c.do(command...)
}

// replicates returns an error until the server is a replica that has all data of its primary server.
func (r Redis) replicates() error {
	info, err := r.do(time.Second, "INFO", "replication")
	if err == nil && !strings.Contains(info, "master_link_status:up") {
		err = errors.New("the replica has no link to its primary server")
	}
	return err
}

// isPrimary returns an error unless the server is a primary server.
func (r Redis) isPrimary() error {
	role, err := r.do(time.Second, "ROLE")
	if err == nil && !strings.HasPrefix(role, "master") {
		err = errors.New("the server is a replica")
	}
	return err
}

// await waits until check returns nil.
func await(t testing.TB, what string, check func() error) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Since(begin) > patience {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// at returns the server with an address.
func at(servers []Redis, addr string) (Redis, error) {
	for _, s := range servers {
		if s.Addr == addr {
			return s, nil
		}
	}
	return Redis{}, fmt.Errorf("no server has the address %q", addr)
}
