package testserver

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// MariaDB is a MariaDB or MySQL server.
type MariaDB struct {
	*Server        // nil if SESSION_TEST_MYSQL_DSN names the server
	dsn     string // names the server
}

// StartMariaDB starts a MariaDB with the given settings ("name=value"), unless
// SESSION_TEST_MYSQL_DSN names a server: user:password@tcp(host:port)/database. The data survives
// Stop and Start: what was committed is on the disk, unless the settings say otherwise.
// "innodb_flush_log_at_trx_commit=2" is quicker, and safe when only the server is killed.
func StartMariaDB(t testing.TB, settings ...string) MariaDB {
	t.Helper()
	if dsn := os.Getenv("SESSION_TEST_MYSQL_DSN"); dsn != "" {
		return MariaDB{dsn: dsn}
	}
	mariadbd, a := mariadbProgram(t, "mariadbd"), accountFor(t, "mysql")
	dir := mariadbData(t, a)
	s := &Server{Addr: reserve(t), t: t, name: mariadbd, dir: dir, attr: a.attr}
	s.ready = func() error { return mariadbAnswers(s.Addr) }
	host, port, _ := net.SplitHostPort(s.Addr)
	s.args = []string{"--no-defaults"}
	for _, setting := range append([]string{
		"datadir=" + dir,
		"bind-address=" + host,
		"port=" + port,
		"socket=" + filepath.Join(dir, "socket"),
		"pid-file=" + filepath.Join(dir, "pid"),
		"init-file=" + filepath.Join(dir, initFile),
		"skip-name-resolve=1", // with it, a server does not block a client that has hung up too often
		"max_connections=300",
		"innodb_log_file_size=16M",
		"character-set-server=utf8mb4", // as Debian and MySQL set it
		"collation-server=utf8mb4_general_ci",
	}, settings...) {
		s.args = append(s.args, "--"+setting)
	}
	s.launch()
	return MariaDB{Server: s, dsn: sqlUser + ":" + sqlPassword + "@tcp(" + s.Addr + ")/"}
}

// DSN returns the DSN of a database on the server, as go-sql-driver/mysql reads it, with the given
// parameters.
func (m MariaDB) DSN(database, params string) string {
	server, rest := cutLast(m.dsn, "/")
	_, query, _ := strings.Cut(rest, "?")
	return server + "/" + url.PathEscape(database) + "?" + strings.Trim(query+"&"+params, "&")
}

// NewDatabase creates a database and returns its name.
func (m MariaDB) NewDatabase(t testing.TB) string {
	t.Helper()
	name := randomName()
	m.Exec(t, "", "CREATE DATABASE "+name)
	if m.Server == nil {
		t.Cleanup(func() { m.Exec(t, "", "DROP DATABASE "+name) })
	}
	return name
}

// Exec executes an SQL statement with the client program of the server and returns its result: a
// line for each row, with tabs between the columns.
func (m MariaDB) Exec(t testing.TB, database, statement string) string {
	t.Helper()
	server, _ := cutLast(m.dsn, "/")
	account, where := cutLast(server, "@")
	name, password, _ := strings.Cut(account, ":")
	network, addr, _ := strings.Cut(strings.TrimSuffix(where, ")"), "(")
	args := []string{"--no-defaults", "--batch", "--skip-column-names", "--user=" + name}
	switch host, port, err := net.SplitHostPort(addr); {
	case network == "unix":
		args = append(args, "--socket="+addr)
	case network == "tcp" && err == nil:
		args = append(args, "--protocol=tcp", "--host="+host, "--port="+port)
	default:
		t.Fatal("SESSION_TEST_MYSQL_DSN names no server: user:password@tcp(host:port)/")
	}
	cmd := exec.Command(mariadbProgram(t, "mariadb"), append(args, "--execute="+statement, database)...)
	cmd.Env = append(os.Environ(), "MYSQL_PWD="+password) // other users of the system can see arguments
	return output(t, cmd)
}

func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s
	}
	return s[:i], s[i+len(sep):]
}

// mariadbProgram returns the path of a program of MariaDB. Only root's PATH contains the server.
func mariadbProgram(t testing.TB, name string) string {
	t.Helper()
	return program(t, name, "install it: apt-get install mariadb-server", "/usr/sbin/"+name, "/usr/libexec/"+name)
}

// initFile is a file in the data directory with statements that the server executes when it starts.
const initFile = "accounts.sql"

// mariadbData returns a new data directory.
func mariadbData(t testing.TB, a account) string {
	t.Helper()
	install := mariadbProgram(t, "mariadb-install-db")
	args := []string{
		"--no-defaults", "--auth-root-authentication-method=normal", "--skip-name-resolve", "--skip-test-db",
		"--innodb-log-file-size=16M",
	}
	accounts := "CREATE USER IF NOT EXISTS " + sqlUser + "@'%' IDENTIFIED BY '" + sqlPassword + "';\n" +
		"GRANT ALL ON *.* TO " + sqlUser + "@'%' WITH GRANT OPTION;\n"
	key := version(t, mariadbProgram(t, "mariadbd")) + strings.Join(args, " ") + accounts
	return a.data(t, "mariadb", key, func(dir string) {
		a.run(t, dir, install, append(args, "--datadir="+dir)...)
		if err := os.WriteFile(filepath.Join(dir, initFile), []byte(accounts), 0o600); err != nil {
			t.Fatal(err)
		}
		a.own(t, dir)
	})
}

// mariadbAnswers returns an error until a MariaDB greets its clients: it listens before.
func mariadbAnswers(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := receive(conn, 4); err != nil { // length and number of the packet
		return err
	}
	return expect(conn, "\x0a") // the version of the protocol; an error begins with 0xff
}
