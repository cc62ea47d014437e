package testserver

import (
	"encoding/binary"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Postgres is a PostgreSQL server, or a PgBouncer in front of one.
type Postgres struct {
	*Server          // nil if SESSION_TEST_POSTGRES_DSN names the server
	url       string // leads to the server
	direct    string // leads to the PostgreSQL server itself
	permanent bool   // the server outlives the test
}

// StartPostgres starts a PostgreSQL with the given settings ("name=value"), unless
// SESSION_TEST_POSTGRES_DSN names a server. The data survives Stop and Start: what was committed is
// on the disk, unless the settings say otherwise. "fsync=off" is quicker, and safe when only the
// server is killed.
func StartPostgres(t testing.TB, settings ...string) Postgres {
	t.Helper()
	if dsn := os.Getenv("SESSION_TEST_POSTGRES_DSN"); dsn != "" {
		return Postgres{url: dsn, direct: dsn, permanent: true}
	}
	dir := postgresData(t)
	s := &Server{Addr: reserve(t), t: t, name: postgresProgram(t, "postgres"), dir: dir, forks: true}
	s.attr = accountFor(t, "postgres").attr
	s.ready = func() error { return postgresAnswers(s.Addr) }
	s.left = func() { removePostgresLock(dir) }
	host, port, _ := net.SplitHostPort(s.Addr)
	s.args = []string{"-D", dir}
	for _, setting := range append([]string{
		"listen_addresses=" + host,
		"port=" + port,
		"unix_socket_directories=",
		"max_connections=300",
		"max_wal_size=1GB",                // initdb scales it down with the size of the segments
		"dynamic_shared_memory_type=mmap", // files of the data directory, which a killed server leaves behind
	}, settings...) {
		s.args = append(s.args, "-c", setting)
	}
	s.launch()
	dsn := "postgres://" + sqlUser + ":" + sqlPassword + "@" + s.Addr + "/postgres?sslmode=disable"
	return Postgres{Server: s, url: dsn, direct: dsn}
}

// DSN returns the URL of a database on the server with the given parameters.
func (p Postgres) DSN(database, params string) string {
	return withDatabase(p.url, database, params)
}

// NewDatabase creates a database and returns its name. It takes a tenth of a second and 8 MB, so a
// test with many stores is quicker with a table or a schema for each.
func (p Postgres) NewDatabase(t testing.TB) string {
	t.Helper()
	name := randomName()
	p.Exec(t, "postgres", "CREATE DATABASE "+name)
	if p.permanent {
		t.Cleanup(func() { p.Exec(t, "postgres", "DROP DATABASE "+name+" WITH (FORCE)") })
	}
	return name
}

// Exec executes an SQL statement with psql and returns its result: a line for each row, with "|"
// between the columns. It does so on the PostgreSQL server itself, also if p is a PgBouncer.
func (p Postgres) Exec(t testing.TB, database, statement string) string {
	t.Helper()
	dsn, err := url.Parse(withDatabase(p.direct, database, ""))
	if err != nil {
		t.Fatal("SESSION_TEST_POSTGRES_DSN is not a URL: postgres://user:password@host:port/database")
	}
	password, _ := dsn.User.Password()
	dsn.User = url.User(dsn.User.Username()) // other users of the system can see arguments
	cmd := exec.Command(postgresProgram(t, "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", dsn.String(), "-c", statement)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
	return output(t, cmd)
}

// postgresProgram returns the path of a program of the newest PostgreSQL. Debian's are not in PATH.
func postgresProgram(t testing.TB, name string) string {
	t.Helper()
	return program(t, name, "install it: apt-get install postgresql", "/usr/lib/postgresql/[1-9][0-9]/bin/"+name)
}

// postgresData returns a new data directory.
func postgresData(t testing.TB) string {
	t.Helper()
	initdb, a := postgresProgram(t, "initdb"), accountFor(t, "postgres")
	args := []string{
		"--username=" + sqlUser, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
		"--wal-segsize=1", "--no-sync", // less to copy
	}
	dir := a.data(t, "postgres", version(t, initdb)+strings.Join(args, " ")+sqlPassword, func(dir string) {
		file := filepath.Join(a.tempDir(t), "password")
		if err := os.WriteFile(file, []byte(sqlPassword), 0o600); err != nil {
			t.Fatal(err)
		}
		a.own(t, filepath.Dir(file))
		a.run(t, dir, initdb, append(args, "--pwfile="+file, "--pgdata="+dir)...)
	})
	if err := os.Chmod(dir, 0o700); err != nil { // or the server refuses it
		t.Fatal(err)
	}
	return dir
}

// postgresAnswers returns an error until a PostgreSQL has started up: it listens before.
func postgresAnswers(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	const startup = "\x00\x03\x00\x00user\x00" + sqlUser + "\x00database\x00postgres\x00\x00"
	message := append(binary.BigEndian.AppendUint32(nil, uint32(4+len(startup))), startup...)
	if _, err := conn.Write(message); err != nil {
		return err
	}
	return expect(conn, "R") // asks for the password; an error begins with "E"
}

// removePostgresLock removes the lock file of a server that was killed, so that the next one does
// not take another process with the same ID for it, and the shared memory that the file names.
func removePostgresLock(dir string) {
	path := filepath.Join(dir, "postmaster.pid")
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	if lines := strings.Split(string(text), "\n"); len(lines) > 6 {
		if shm := strings.Fields(lines[6]); len(shm) == 2 {
			_ = exec.Command("ipcrm", "-m", shm[1]).Run() // it is 56 bytes; the system has 4096 of them
		}
	}
	_ = os.Remove(path)
}

// BecomeStandby makes a server that is stopped start as a standby without a primary server: it
// answers queries, and refuses writes.
func (p Postgres) BecomeStandby(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	accountFor(t, "postgres").own(t, p.dir)
}
