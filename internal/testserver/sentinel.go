package testserver

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// Sentinel is a primary server of Redis with its replicas, and three sentinels, which make a replica
// the primary server when that has failed.
type Sentinel struct {
	Name      string   // of the primary server, as the sentinels know it
	Addrs     []string // of the sentinels
	Servers   []Redis  // the first one is the primary server at first
	Sentinels []Redis
}

// sentinelConf is the configuration file of a sentinel. A server that has not answered for a second
// has failed.
const sentinelConf = `
sentinel monitor main %s %s 2
sentinel down-after-milliseconds main 1000
sentinel failover-timeout main 10000
`

// StartSentinel starts a primary server with the given number of replicas, and three sentinels. Each
// server but the sentinels gets the arguments, as in StartRedis.
func StartSentinel(t testing.TB, replicas int, args ...string) Sentinel {
	t.Helper()
	primary := StartRedis(t, args...)
	host, port, _ := net.SplitHostPort(primary.Addr)
	s := Sentinel{Name: "main", Servers: []Redis{primary}}
	for range replicas {
		replica := startRedis(t, "replicaof "+host+" "+port+"\n", args...)
		await(t, "the replica", replica.replicates)
		s.Servers = append(s.Servers, replica)
	}
	for range 3 {
		sentinel := newRedis(t, fmt.Sprintf(sentinelConf, host, port))
		host, port, _ := net.SplitHostPort(sentinel.Addr)
		sentinel.args = append(sentinel.args, "--sentinel", "--bind", host, "--port", port, "--dir", sentinel.dir)
		sentinel.ready = sentinel.answersPing
		sentinel.launch()
		s.Sentinels = append(s.Sentinels, *sentinel)
		s.Addrs = append(s.Addrs, sentinel.Addr)
	}
	for _, sentinel := range s.Sentinels {
		await(t, "the sentinels", func() error { return s.knowsAll(sentinel) })
	}
	return s
}

// knowsAll returns an error until a sentinel knows the replicas and the other sentinels.
func (s Sentinel) knowsAll(sentinel Redis) error {
	answer, err := sentinel.do(time.Second, "SENTINEL", "MASTER", s.Name)
	if err != nil {
		return err
	}
	for _, want := range []string{
		"flags\nmaster",
		fmt.Sprint("num-slaves\n", len(s.Servers)-1),
		fmt.Sprint("num-other-sentinels\n", len(s.Sentinels)-1),
	} {
		if !strings.Contains(answer+"\n", "\n"+want+"\n") {
			return fmt.Errorf("a sentinel does not know %q", want)
		}
	}
	return nil
}

// StopPrimary kills the primary server and returns it. It does not wait until another server is the
// primary server, as Primary does.
func (s Sentinel) StopPrimary(t testing.TB) Redis {
	t.Helper()
	primary := s.Primary(t)
	primary.Stop()
	return primary
}

// Primary waits until all sentinels that run name the same server, and it is a primary server that
// runs. It returns that server.
func (s Sentinel) Primary(t testing.TB) (primary Redis) {
	t.Helper()
	await(t, "the primary server", func() (err error) {
		primary, err = s.primary()
		return err
	})
	return primary
}

func (s Sentinel) primary() (Redis, error) {
	var addr string
	for _, sentinel := range s.Sentinels {
		if sentinel.cmd == nil {
			continue
		}
		answer, err := sentinel.do(time.Second, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", s.Name)
		if err != nil {
			return Redis{}, err
		}
		host, port, _ := strings.Cut(answer, "\n")
		switch named := net.JoinHostPort(host, port); addr {
		case "", named:
			addr = named
		default:
			return Redis{}, errors.New("the sentinels name several servers")
		}
	}
	primary, err := at(s.Servers, addr)
	if err != nil {
		return Redis{}, err
	}
	return primary, primary.isPrimary()
}
