package testserver

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// StartPgBouncer starts a PgBouncer in front of a PostgreSQL. It pools transactions: the statements
// of a client may run on another connection after each. What it returns leads to the PgBouncer, but
// for NewDatabase and Exec, which go to the PostgreSQL itself.
func StartPgBouncer(t testing.TB, upstream Postgres) Postgres {
	t.Helper()
	pgbouncer := program(t, "pgbouncer", "install it: apt-get install pgbouncer", "/usr/sbin/pgbouncer")
	server, err := url.Parse(upstream.direct)
	if err != nil {
		t.Fatal("SESSION_TEST_POSTGRES_DSN is not a URL: postgres://user:password@host:port/database")
	}
	a := accountFor(t, "postgres")
	dir := a.tempDir(t)
	s := &Server{Addr: reserve(t), t: t, name: pgbouncer, dir: dir, attr: a.attr, args: []string{"pgbouncer.ini"}}
	host, port, _ := net.SplitHostPort(s.Addr)
	serverPort := server.Port()
	if serverPort == "" {
		serverPort = "5432"
	}
	password, _ := server.User.Password()
	for file, text := range map[string]string{
		"pgbouncer.ini": strings.Join([]string{
			"[databases]",
			"* = host=" + server.Hostname() + " port=" + serverPort,
			"[pgbouncer]",
			"listen_addr = " + host,
			"listen_port = " + port,
			"unix_socket_dir =",
			"auth_type = scram-sha-256",
			"auth_file = users",
			"admin_users = " + server.User.Username(), // of the database pgbouncer, which knows SHOW POOLS
			"pool_mode = transaction",
			"max_client_conn = 300",
			"server_login_retry = 1", // seconds until it tries a server again that was down
			"",
		}, "\n"),
		"users": fmt.Sprintf("%s %s\n", quoted(server.User.Username()), quoted(password)),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.own(t, dir)
	s.launch()
	server.Host, server.RawQuery = s.Addr, "sslmode=disable"
	return Postgres{Server: s, url: server.String(), direct: upstream.direct, permanent: upstream.permanent}
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
