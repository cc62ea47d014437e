package testserver

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// database is what PostgreSQL and MariaDB have in common.
type database struct {
	*Server
	newDatabase func(testing.TB) string
	exec        func(t testing.TB, database, statement string) string
	dsn         func(database, params string) string
	wantDSN     string // with ADDR and DB, and a=1&b=2 as params
}

var databases = map[string]func(t testing.TB, settings ...string) database{
	"postgres": func(t testing.TB, settings ...string) database {
		p := StartPostgres(t, settings...)
		return database{p.Server, p.NewDatabase, p.Exec, p.DSN, "postgres://session:swordfish-4711@ADDR/DB?sslmode=disable&a=1&b=2"}
	},
	"mariadb": func(t testing.TB, settings ...string) database {
		m := StartMariaDB(t, settings...)
		return database{m.Server, m.NewDatabase, m.Exec, m.DSN, "session:swordfish-4711@tcp(ADDR)/DB?a=1&b=2"}
	},
}

// own makes the tests start servers of their own.
func own(t *testing.T) {
	t.Setenv("SESSION_TEST_POSTGRES_DSN", "")
	t.Setenv("SESSION_TEST_MYSQL_DSN", "")
}

// each runs a test for every kind of database.
func each(t *testing.T, test func(t *testing.T, start func(t testing.TB, settings ...string) database)) {
	own(t)
	for name, start := range databases {
		t.Run(name, func(t *testing.T) { test(t, start) })
	}
}

func TestDatabaseSurvivesKill(t *testing.T) {
	each(t, func(t *testing.T, start func(t testing.TB, settings ...string) database) {
		s := start(t)
		db := s.newDatabase(t)
		s.exec(t, db, "CREATE TABLE numbers (n INT)")
		for _, want := range []string{"1", "1,2", "1,2,3"} {
			s.exec(t, db, "INSERT INTO numbers SELECT COUNT(*) + 1 FROM numbers")
			s.Stop()
			if conn, err := net.Dial("tcp", s.Addr); err == nil {
				conn.Close()
				t.Error("the server listens after Stop")
			}
			s.Start()
			got := strings.Join(strings.Fields(s.exec(t, db, "SELECT n FROM numbers ORDER BY n")), ",")
			if got != want {
				t.Errorf("rows after Stop and Start = %q; want %q", got, want)
			}
		}
	})
}

func TestDatabaseDSN(t *testing.T) {
	each(t, func(t *testing.T, start func(t testing.TB, settings ...string) database) {
		s := start(t)
		want := strings.NewReplacer("ADDR", s.Addr, "DB", "app").Replace(s.wantDSN)
		if got := s.dsn("app", "a=1&b=2"); got != want {
			t.Errorf("DSN = %q; want %q", got, want)
		}
	})
}

func TestTwoServersShareNothing(t *testing.T) {
	each(t, func(t *testing.T, start func(t testing.TB, settings ...string) database) {
		a, b := start(t), start(t)
		a.exec(t, a.newDatabase(t), "CREATE TABLE one (n INT)")
		a.Stop()
		if got := b.exec(t, b.newDatabase(t), "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'one'"); got != "0" {
			t.Errorf("tables of the other server = %q; want 0", got)
		}
	})
}

func TestSettings(t *testing.T) {
	own(t)
	p := StartPostgres(t, "fsync=off", "max_connections=17")
	if got := p.Exec(t, "postgres", "SHOW fsync") + p.Exec(t, "postgres", "SHOW max_connections"); got != "off17" {
		t.Errorf("settings = %q; want off17", got)
	}
	m := StartMariaDB(t, "innodb_flush_log_at_trx_commit=2", "max_connections=17")
	if got := m.Exec(t, "", "SELECT @@innodb_flush_log_at_trx_commit, @@max_connections"); got != "2\t17" {
		t.Errorf("settings = %q; want 2, 17", got)
	}
}

// TestFreezeSuspendsConnections checks that a connection from before Freeze gets no answer either:
// a child process of PostgreSQL serves it.
func TestFreezeSuspendsConnections(t *testing.T) {
	own(t)
	p := StartPostgres(t)
	for name, p := range map[string]Postgres{"postgres": p, "pgbouncer": StartPgBouncer(t, p)} {
		t.Run(name, func(t *testing.T) {
			ask, answers := connect(t, p)
			ask("SELECT 1;")
			if got := <-answers; got != "1" {
				t.Fatalf("answer = %q; want 1", got)
			}
			p.Freeze()
			ask("SELECT 2;")
			select {
			case got := <-answers:
				t.Errorf("answer after Freeze = %q; want none", got)
			case <-time.After(200 * time.Millisecond):
			}
			p.Thaw()
			if got := <-answers; got != "2" {
				t.Errorf("answer after Thaw = %q; want 2", got)
			}
		})
	}
}

// TestStopEndsRequests checks that Stop kills the child process that executes a statement.
func TestStopEndsRequests(t *testing.T) {
	own(t)
	p := StartPostgres(t)
	ask, answers := connect(t, p)
	ask("SELECT 1; SELECT pg_sleep(600);")
	<-answers
	begin := time.Now()
	p.Stop()
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("Stop took %v; want less than 1m", took)
	}
	if got, open := <-answers; open {
		t.Errorf("answer after Stop = %q; want a closed connection", got)
	}
	p.Start()
}

// connect opens a connection with psql. ask sends a line, and answers receives the lines of the
// results; it is closed with the connection.
func connect(t *testing.T, p Postgres) (ask func(string), answers <-chan string) {
	t.Helper()
	psql := exec.Command(postgresProgram(t, "psql"), "-XqAt", p.DSN("postgres", ""))
	stdin, inErr := psql.StdinPipe()
	stdout, outErr := psql.StdoutPipe()
	if err := errors.Join(inErr, outErr, psql.Start()); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-t.Context().Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		psql.Wait()
	})
	return func(line string) { io.WriteString(stdin, line+"\n") }, lines
}

// TestKilledServerLeavesNothing checks that tests do not use up the shared memory of the system.
func TestKilledServerLeavesNothing(t *testing.T) {
	own(t)
	p := StartPostgres(t)
	lock, err := os.ReadFile(filepath.Join(p.dir, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	segment := strings.Fields(strings.Split(string(lock), "\n")[6])[1]
	segments := func() []string {
		out, err := exec.Command("ipcs", "-m").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	if !slices.Contains(segments(), segment) {
		t.Fatalf("segment %s is not in use", segment)
	}
	p.Stop()
	if slices.Contains(segments(), segment) {
		t.Errorf("segment %s is left", segment)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "postmaster.pid")); !os.IsNotExist(err) {
		t.Errorf("Stat(postmaster.pid) = %v; want no such file", err)
	}
}

func TestPgBouncerPoolsTransactions(t *testing.T) {
	own(t)
	p := StartPostgres(t)
	b := StartPgBouncer(t, p)
	db := b.NewDatabase(t)
	through := Postgres{url: b.url, direct: b.url} // Exec goes to the PgBouncer
	want := "session|" + db
	if got := through.Exec(t, db, "SELECT current_user, current_database()"); got != want {
		t.Errorf("user and database = %q; want %q", got, want)
	}
	if got := through.Exec(t, "pgbouncer", "SHOW CONFIG"); !strings.Contains(got, "pool_mode|transaction|") {
		t.Errorf("SHOW CONFIG = %q; want pool_mode transaction", got)
	}
	p.Stop()
	p.Start()
	if got := through.Exec(t, db, "SELECT current_database()"); got != db {
		t.Errorf("database after a restart = %q; want %q", got, db)
	}
	b.Stop()
	b.Start()
	if got := through.Exec(t, db, "SELECT current_database()"); got != db {
		t.Errorf("database after a restart of the PgBouncer = %q; want %q", got, db)
	}
}

// TestServerInEnvironment checks that the tests use the servers that the environment names, and
// leave nothing there.
func TestServerInEnvironment(t *testing.T) {
	own(t)
	p, m := StartPostgres(t), StartMariaDB(t)
	t.Setenv("SESSION_TEST_POSTGRES_DSN", p.DSN("postgres", ""))
	t.Setenv("SESSION_TEST_MYSQL_DSN", m.DSN("mysql", "x=1"))
	t.Run("test", func(t *testing.T) {
		p2, m2 := StartPostgres(t), StartMariaDB(t)
		if p2.Server != nil || m2.Server != nil {
			t.Error("a server was started")
		}
		if got, want := p2.DSN("app", ""), p.DSN("app", ""); got != want {
			t.Errorf("DSN = %q; want %q", got, want)
		}
		if got, want := m2.DSN("app", "y=2"), m.DSN("app", "x=1&y=2"); got != want {
			t.Errorf("DSN = %q; want %q", got, want)
		}
		p2.Exec(t, p2.NewDatabase(t), "CREATE TABLE t (n INT)")
		m2.Exec(t, m2.NewDatabase(t), "CREATE TABLE t (n INT)")
		b := StartPgBouncer(t, p2)
		Postgres{direct: b.url}.Exec(t, b.NewDatabase(t), "CREATE TABLE t (n INT)")
	})
	if got := p.Exec(t, "postgres", `SELECT datname FROM pg_database WHERE datname LIKE 'session\_%'`); got != "" {
		t.Errorf("databases left on PostgreSQL: %q", got)
	}
	if got := m.Exec(t, "", `SHOW DATABASES LIKE 'session\_%'`); got != "" {
		t.Errorf("databases left on MariaDB: %q", got)
	}
}

// TestOtherUser runs the other tests as a user who is not root.
func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the other tests do not run as root")
	}
	nobody := accountFor(t, "nobody")
	dir := nobody.tempDir(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("needs Linux")
	}
	if err := os.WriteFile(filepath.Join(dir, "test"), self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("./test", "-test.v", "-test.run", "^(TestDatabaseSurvivesKill|TestPgBouncerPoolsTransactions)$")
	cmd.Dir, cmd.SysProcAttr = dir, nobody.attr
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+dir, "TMPDIR="+os.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"TestDatabaseSurvivesKill/postgres", "TestDatabaseSurvivesKill/mariadb", "TestPgBouncerPoolsTransactions"} {
		if !strings.Contains(string(out), "--- PASS: "+name) {
			t.Errorf("%s has not passed:\n%s", name, out)
		}
	}
}
