package redis

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/canary"
	"gosession.dev/session/internal/testserver"
)

// isOutage checks that err is an outage, and that neither err nor what it wraps shows a canary.
func isOutage(t *testing.T, err error, msg string) {
	t.Helper()
	require.Error(t, err, msg)
	for _, answer := range []error{
		driver.ErrNotFound, driver.ErrExists, driver.ErrConflict, driver.ErrTooLarge, driver.ErrCorrupt, driver.ErrClosed,
	} {
		require.NotErrorIs(t, err, answer, msg)
	}
	require.Empty(t, canary.Shown(err, "canary"), msg)
}

// startFake starts a server that answers each command, but those with which a client introduces
// itself, with text. It answers HELLO in the way of Redis before 6.
func startFake(t *testing.T, text string) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveFake(conn, text)
		}
	}()
	return l.Addr().String()
}

func serveFake(conn net.Conn, text string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		var n int
		if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
			return
		}
		words := make([]string, n)
		for i := range words {
			var size int
			if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
				return
			}
			word := make([]byte, size+2)
			if _, err := io.ReadFull(r, word); err != nil {
				return
			}
			words[i] = string(word[:size])
		}
		answer := text
		switch words[0] {
		case "HELLO":
			answer = "-ERR unknown command 'HELLO'\r\n"
		case "CLIENT", "SELECT", "AUTH", "PING":
			answer = "+OK\r\n"
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// Errors say what a server's error means, and quote nothing of it, since it may contain a session's
// data.
func TestErrorsQuoteNoAnswer(t *testing.T) {
	for answer, want := range map[string]string{
		"-NOAUTH canary\r\n":      "the server wants a password",
		"-LOADING canary\r\n":     "is loading its data",
		"-MASTERDOWN canary\r\n":  "is a replica that has lost its primary",
		"-READONLY canary\r\n":    "is a replica, which refuses writes",
		"-CLUSTERDOWN canary\r\n": "cluster that is down",
		"-MISCONF canary\r\n":     "can't save its data",
		"-NOREPLICAS canary\r\n":  "min-replicas-to-write",
		"-BUSY canary\r\n":        "is running a script",
		"-TRYAGAIN canary\r\n":    "is moving the store's slot",
		"-MOVED 1 canary:1\r\n":   "use a DSN that begins with redis+cluster://",
		"-CROSSSLOT canary\r\n":   "use a DSN that begins with redis+cluster://",
		"-NOPERM canary\r\n":      "refuses a command or key",
		"-ERR Error running script (call to f_canary): @user_script:1: @user_script: 1: -OOM command canary\r\n": "has reached its maxmemory",
		"-ERR unknown command 'canary'\r\n": "must be Redis 6.2 or later",
		"-ERR syntax error canary\r\n":      "must be Redis 6.2 or later",
		"-ERR canary\r\n":                   "refused a command",
		"-CANARY canary\r\n":                "refused a command",
		"$6\r\ncanary\r\n":                  "no script of this version gives",
		"+canary\r\n":                       "no script of this version gives",
		":7\r\n":                            "no script of this version gives",
		"*1\r\n+canary\r\n":                 "no script of this version gives",
		"*0\r\n":                            "no script of this version gives",
		"$-1\r\n":                           "no script of this version gives",
	} {
		s := open(t, "redis://"+startFake(t, answer))
		for name, call := range calls {
			err := call(t.Context(), s, record("canary", 1e12))
			if name == "Retrieve" && !strings.HasPrefix(answer, "-") || name == "Renamed" && answer == "*0\r\n" {
				continue
			}
			isOutage(t, err, name+answer)
			require.ErrorContains(t, err, want, name+answer)
		}
		_, err := s.DeleteExpired(t.Context())
		isOutage(t, err, answer)
		for _, err := range s.Sessions(t.Context()) {
			isOutage(t, err, answer)
		}
	}
}

// Errors of the network are reported without the addresses of servers, which are part of the DSN.
func TestErrorsNameNoServer(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	op := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Source: addr, Addr: addr, Err: err} }
	for want, err := range map[string]error{
		"host not found":           op(&net.DNSError{Err: "no such host", Name: "canary", Server: "canary"}),
		"did not answer in time":   op(&net.DNSError{Err: "canary", Name: "canary", IsTimeout: true}),
		"connection refused":       op(fmt.Errorf("canary: %w", syscall.ECONNREFUSED)),
		"connection reset by peer": op(fmt.Errorf("canary: %w", syscall.ECONNRESET)),
		"(i/o timeout)":            op(os.ErrDeadlineExceeded),
		"in time":                  fmt.Errorf("canary %w", context.DeadlineExceeded),
		"connection was closed":    fmt.Errorf("canary %w", io.EOF),
		"is not trusted":           &tls.CertificateVerificationError{Err: x509.HostnameError{Host: "canary", Certificate: new(x509.Certificate)}},
		"TLS failed":               tls.RecordHeaderError{Msg: "canary"},
		"the connection failed":    errors.New("canary"),
		"ca_file names can't be":   setupError("the file that the DSN parameter ca_file names can't be read"),
	} {
		s := open(t, "redis://canary")
		explained := s.explain(t.Context(), err)
		require.ErrorContains(t, explained, "redis: ", want)
		require.ErrorContains(t, explained, want)
		isOutage(t, explained, want)
		require.Empty(t, canary.Shown(explained, "127.0.0.1"), want)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, open(t, "redis://canary").explain(ended, io.EOF), context.Canceled)
}

// The errors of real servers say what to do.
func TestErrorsOfServers(t *testing.T) {
	secret := testserver.StartRedis(t, "--requirepass", "swordfish")
	primary := testserver.StartRedis(t)
	host, port, err := net.SplitHostPort(primary.Addr)
	require.NoError(t, err)
	replica := testserver.StartRedis(t, "--replicaof", host, port)
	stale := testserver.StartRedis(t, "--replicaof", host, "1", "--replica-serve-stale-data", "no")
	few := testserver.StartRedis(t, "--min-replicas-to-write", "1")
	writable := testserver.StartRedis(t, "--replicaof", host, port, "--replica-read-only", "no")
	cluster := testserver.StartRedis(t, "--cluster-enabled", "yes")
	sentinels := testserver.StartSentinel(t, 0)
	for dsn, want := range map[string]string{
		"redis+sentinel://" + sentinels.Addrs[0] + "/canary": "watch no primary of the name",
		"redis://" + secret.Addr:                             "wants a password; put user:password@ before the host of the DSN (NOAUTH)",
		"redis://:canary@" + secret.Addr:                     "refuses the user or the password of the DSN (WRONGPASS)",
		"redis://canary:canary@" + secret.Addr:               "refuses the user or the password of the DSN (WRONGPASS)",
		"redis://:swordfish@" + secret.Addr + "/999999":      "has no database of the number",
		"redis://" + replica.Addr:                            "replica, which may lag behind and refuses writes; name the primary",
		"redis://" + writable.Addr:                           "replica, which may lag behind and refuses writes; name the primary",
		"redis://" + stale.Addr:                              "replica",
		"redis://" + few.Addr:                                "min-replicas-to-write and refuses writes (NOREPLICAS)",
		"redis://" + cluster.Addr:                            "cluster that is down",
		"rediss://" + primary.Addr + "?timeout=1s":           "redis: ",
		"redis://canary.invalid":                             "redis: ",
		"redis://127.0.0.1:1":                                "connection refused",
		"redis+sentinel://" + primary.Addr + "/canary":       "redis: ",
		"redis+sentinel://127.0.0.1:1/canary":                "redis: ",
		"redis+cluster://127.0.0.1:1":                        "redis: ",
		"unix:///canary/no/such/socket":                      "no such file or directory",
		"rediss://127.0.0.1:1?ca_file=/canary":               "ca_file",
	} {
		err := open(t, dsn).Ping(t.Context())
		isOutage(t, err, dsn)
		require.ErrorContains(t, err, want, dsn)
		t.Logf("%s: %v", dsn, err)
	}
	require.NoError(t, open(t, "redis://:swordfish@"+secret.Addr+"/3").Ping(t.Context()))
}
