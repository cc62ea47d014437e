package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest/netfault"
	"gosession.dev/session/internal/registry"
	"gosession.dev/session/internal/testserver"
)

// binary is the path of sessionctl, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "sessionctl")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "sessionctl")
		if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".").CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// ran is the output of a command, and its exit code.
type ran struct {
	out, err string
	code     int
}

// backend names a backend for commands and factories.
type backend struct{ driver, dsn string }

// run runs a command that finds the backend in its environment.
func (b backend) run(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "SESSION_DRIVER="+b.driver, "SESSION_DSN="+b.dsn)
	cmd.Stdin = strings.NewReader(stdin)
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return ran{out.String(), stderr.String(), exit.ExitCode()}
	}
	require.NoError(t, err)
	require.NotContains(t, out.String()+stderr.String(), "\x1b", "colours in a pipe")
	return ran{out: out.String(), err: stderr.String()}
}

// fine runs a command that must succeed, and returns its output.
func (b backend) fine(t *testing.T, args ...string) string {
	t.Helper()
	got := b.run(t, "", args...)
	require.Zero(t, got.code, got.err)
	return got.out
}

// open opens the backend as an application with this Config does.
func (b backend) open(t *testing.T, c session.Config) *session.Factory {
	t.Helper()
	c.SweepInterval, c.StoreTimeout = -1, time.Minute
	f, err := c.Open(b.driver, b.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// signIn creates a session and signs it in as subject.
func signIn(t *testing.T, f *session.Factory, subject string) *session.Session {
	t.Helper()
	s, err := f.Create(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Set("cart", []string{"apple"}))
	require.NoError(t, s.SignIn(t.Context(), subject))
	require.NoError(t, s.Flush(t.Context()))
	return s
}

// backends returns the backends that several processes can share.
func backends(t *testing.T) map[string]backend {
	mongo := testserver.StartMongo(t)
	return map[string]backend{
		"sqlite":   {"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")},
		"memcache": {"memcache", testserver.StartMemcached(t).Addr + testserver.Patient},
		"mongo":    {"mongo", mongo.DSN("ctl", "")},
		"postgres": onPostgres(t),
		"redis":    onRedis(t),
		"mysql":    onMariaDB(t),
		"migrate": {"migrate", fmt.Sprintf("stage=move&new=memcache:%s&old=sqlite:file:%s",
			testserver.StartMemcached(t).Addr+testserver.Patient, filepath.Join(t.TempDir(), "old.db"))},
	}
}

// onPostgres and onMariaDB return backends in new databases, without tables.
func onPostgres(t *testing.T) backend {
	server := testserver.StartPostgres(t, "fsync=off")
	return backend{"postgres", server.DSN(server.NewDatabase(t), "")}
}

func onMariaDB(t *testing.T) backend {
	server := testserver.StartMariaDB(t, "innodb_flush_log_at_trx_commit=0")
	return backend{"mysql", server.DSN(server.NewDatabase(t), "")}
}

func onRedis(t *testing.T) backend {
	return backend{"redis", "redis://" + testserver.StartRedis(t).Addr}
}

func TestCommands(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			f := b.open(t, session.Config{})
			ada, bob, phone := signIn(t, f, "ada"), signIn(t, f, "bob"), signIn(t, f, "ada")
			all := []string{string(ada.Key()), string(bob.Key()), string(phone.Key())}

			require.Regexp(t, `^ok, \d`, b.fine(t, "ping"))
			require.Equal(t, "3\n", b.fine(t, "count"))
			require.Equal(t, "2\n", b.fine(t, "count", "--subject", "ada"))
			require.Equal(t, "0\n", b.fine(t, "count", "--older-than", "1h"))

			list := b.fine(t, "list")
			require.Len(t, strings.Split(strings.TrimSpace(list), "\n"), 4, list)
			for _, s := range []*session.Session{ada, bob, phone} {
				require.Contains(t, list, string(s.Key()))
				require.NotContains(t, list, s.ID().Reveal())
			}
			require.Regexp(t, `(?m)^KEY +CREATED +LAST SEEN +EXPIRES IN +SIZE +SUBJECT +LABEL$`, list)
			require.Regexp(t, `(?m)^`+string(bob.Key())+` +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d) +\d+ s ago +\d+ min +\d+ B +bob$`, list)
			require.Len(t, strings.Split(strings.TrimSpace(b.fine(t, "list", "--limit", "2")), "\n"), 3)

			var listed []string
			for line := range strings.Lines(b.fine(t, "list", "--json")) {
				var s struct {
					Key, Subject string
					Created      time.Time
				}
				require.NoError(t, json.Unmarshal([]byte(line), &s))
				require.WithinDuration(t, time.Now(), s.Created, time.Minute)
				listed = append(listed, s.Key)
			}
			require.ElementsMatch(t, all, listed)

			shown := b.fine(t, "show", string(ada.Key()))
			require.Regexp(t, `(?m)^subject +ada$`, shown)
			require.NotContains(t, shown, "apple")
			require.Contains(t, b.fine(t, "show", string(ada.Key()), "--values"), `cart = ["apple"]`)
			require.Contains(t, b.fine(t, "show", string(ada.Key()), "--values", "--json"), `"values":{"cart":["apple"]}`)

			require.Contains(t, b.fine(t, "check"), "can be read: 3")
			require.Equal(t, "ended: 1\n", b.fine(t, "end", all[0]))
			gone := b.run(t, "", "end", all[0], all[1])
			require.Equal(t, "ended: 1\n", gone.out)
			require.Equal(t, exitNotFound, gone.code)
			require.Equal(t, exitNotFound, b.run(t, "", "show", all[0]).code)
			if name == "memcache" {
				require.Equal(t, "ended: all sessions of the subject; this driver does not count them\n", b.fine(t, "end", "--subject", "ada"))
			} else {
				require.Equal(t, "ended: 1\n", b.fine(t, "end", "--subject", "ada"))
			}
			require.Equal(t, "0\n", b.fine(t, "count"))
			_, err := f.Retrieve(t.Context(), phone.ID())
			require.ErrorIs(t, err, session.ErrNotFound)

			signIn(t, f, "eve")
			no := b.run(t, "n\n", "end", "--all")
			require.Equal(t, exitFailed, no.code)
			require.Contains(t, no.err, "[y/N]")
			require.Equal(t, "1\n", b.fine(t, "count"))
			yes := b.run(t, "y\n", "end", "--all")
			require.Zero(t, yes.code, yes.err)
			require.Equal(t, "ended: 1\n", yes.out)
			require.Regexp(t, `^deleted: \d+`, b.fine(t, "sweep"))

			bench := b.fine(t, "bench", "--for", "300ms", "--parallel", "2")
			require.Regexp(t, `(?m)^write +\d+ +[\d.]+.?s +[\d.]+.?s +[\d.]+.?s$`, bench)
			require.Equal(t, "0\n", b.fine(t, "count"), "sessions after bench")
		})
	}
}

func TestMove(t *testing.T) {
	all := backends(t)
	for _, pair := range [][2]string{{"sqlite", "mongo"}, {"mysql", "postgres"}, {"postgres", "redis"}, {"redis", "sqlite"}} {
		from, to := all[pair[0]], all[pair[1]]
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			f := from.open(t, session.Config{})
			s := signIn(t, f, "ada")
			for range 20 {
				signIn(t, f, "bob")
			}
			got := from.run(t, "", "move", "--yes", "--to-driver", to.driver, "--to-dsn", to.dsn)
			require.Zero(t, got.code, got.err)
			require.Regexp(t, `^moved: 21 of 21 in `, got.out)
			require.Equal(t, "0\n", from.fine(t, "count"))
			require.Equal(t, "21\n", to.fine(t, "count"))
			moved, err := to.open(t, session.Config{}).Retrieve(t.Context(), s.ID())
			require.NoError(t, err)
			require.Equal(t, "ada", moved.Subject())
			t.Setenv("SESSION_TO_DRIVER", to.driver)
			t.Setenv("SESSION_TO_DSN", to.dsn)
			require.Regexp(t, `^moved: 0 of 0 in `, from.fine(t, "move", "--yes"), "the second move")
			to.fine(t, "end", "--all", "--yes")
		})
	}
}

// After Ctrl-C, move says how many sessions it has moved. Run again, it moves the others.
func TestMoveInterrupted(t *testing.T) {
	from := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	server := testserver.StartMemcached(t)
	proxy := netfault.Start(t, server.Addr)
	proxy.Delay(20 * time.Millisecond)
	f := from.open(t, session.Config{})
	var all []*session.Session
	for range 300 {
		all = append(all, signIn(t, f, "ada"))
	}
	args := []string{"move", "--yes", "-driver", from.driver, "-dsn", from.dsn, "--to-driver", "memcache", "--to-dsn", proxy.Addr + testserver.Patient}
	cmd := exec.Command(binary, args...)
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	require.NoError(t, cmd.Start())
	for len(from.fine(t, "count")) == len("300\n") && from.fine(t, "count") > "290\n" {
		time.Sleep(20 * time.Millisecond)
	}
	proxy.Swallow() // so that the command can't end before it is interrupted
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	require.Regexp(t, `^moved: [1-9]\d* of 300 in `, out.String())
	require.Contains(t, stderr.String(), "interrupted; run the command again to continue")
	require.NotEqual(t, "0\n", from.fine(t, "count"))

	proxy.Heal()
	from.fine(t, args...)
	to := backend{"memcache", server.Addr + testserver.Patient}.open(t, session.Config{})
	for _, s := range all {
		moved, err := to.Retrieve(t.Context(), s.ID())
		require.NoError(t, err)
		require.Equal(t, "ada", moved.Subject())
	}
	require.Equal(t, "0\n", from.fine(t, "count"))
}

// Characters that control a terminal are escaped in subjects, labels and values.
func TestHostileText(t *testing.T) {
	b := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	f := b.open(t, session.Config{})
	s := signIn(t, f, "ada\x1b]0;\u202e\u009b\n")
	require.NoError(t, s.SetLabel("\x1b[2J"))
	require.NoError(t, s.Set("\x1b[0m", "\u009b"))
	require.NoError(t, s.Flush(t.Context()))
	for _, args := range [][]string{{"list"}, {"show", string(s.Key())}, {"show", "--values", string(s.Key())}, {"end", "--subject", s.Subject()}} {
		out := b.fine(t, args...)
		if args[0] != "end" {
			require.Contains(t, out, `ada\x1b]0;\u202e\u009b\n`)
		}
		require.NotRegexp(t, "[\x1b\u202e\u009b]", out)
	}
}

func TestCorrupt(t *testing.T) {
	b := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	store, err := registry.Open(b.driver, b.dsn)
	require.NoError(t, err)
	now := time.Now().UTC().Truncate(time.Millisecond)
	garbage := strings.Repeat("garbage", 7)[:43]
	require.NoError(t, store.Create(t.Context(), &driver.Record{Key: garbage, Data: []byte("?"), Meta: []byte("?"), Created: now, Expires: now.Add(time.Hour)}))
	require.NoError(t, store.Close())
	got := b.run(t, "", "check")
	require.Equal(t, exitCorrupt, got.code)
	require.Contains(t, got.out, garbage)
	require.Contains(t, b.fine(t, "list"), "can't be read")
	require.Contains(t, b.fine(t, "list", "--json"), `"error":"session can't be decoded"`)
	require.Equal(t, exitCorrupt, b.run(t, "", "show", garbage).code)
	require.Equal(t, "1\n", b.fine(t, "count"))
	require.Contains(t, b.fine(t, "list", "--older-than", "1ns"), garbage, "a session that can't be decoded, by the creation time in its record")
	require.Equal(t, "1\n", b.fine(t, "count", "--older-than", "1ns"))
	require.Empty(t, b.fine(t, "list", "--subject", "ada"), "a session that can't be decoded, whose record has no subject")
	require.Equal(t, "0\n", b.fine(t, "count", "--subject", "ada"))
	require.Equal(t, "ended: 1\n", b.fine(t, "end", garbage))
}

// Records alone say whether a session has expired: sessionctl does not know the application's
// timeouts.
func TestTimeoutsOfTheApplication(t *testing.T) {
	b := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	f := b.open(t, session.Config{
		Timeouts: session.Timeouts{Idle: 30 * 24 * time.Hour, Lifetime: 90 * 24 * time.Hour},
		Now:      func() time.Time { return time.Now().Add(-10 * 24 * time.Hour) },
	})
	s := signIn(t, f, "ada")
	for _, args := range [][]string{{"list"}, {"list", "--older-than", "9d"}, {"list", "--older-than", "216h"}, {"list", "--subject", "ada"}, {"show", string(s.Key())}} {
		require.Regexp(t, string(s.Key())+`[^$]*\b(19|20) days\b`, b.fine(t, args...), args)
	}
	require.Equal(t, "1\n", b.fine(t, "count", "--subject", "ada"))
	require.Equal(t, "0\n", b.fine(t, "count", "--older-than", "11d"))
	require.Equal(t, "can be read: 1\n", b.fine(t, "check"))
	require.NotContains(t, b.fine(t, "show", string(s.Key())), "timeouts")
	require.NoError(t, s.SetTimeouts(session.Timeouts{Idle: 20 * 24 * time.Hour, Persistent: true}))
	require.NoError(t, s.Flush(t.Context()))
	require.Regexp(t, `(?m)^timeouts +idle 480h0m0s, persistent$`, b.fine(t, "show", string(s.Key())))
}

// Ctrl-C answers a question with no.
func TestQuestionInterrupted(t *testing.T) {
	b := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	signIn(t, b.open(t, session.Config{}), "ada")
	cmd := exec.Command(binary, "end", "--all", "-driver", b.driver, "-dsn", b.dsn)
	stdin, err := cmd.StdinPipe() // stays open: no answer comes
	require.NoError(t, err)
	defer stdin.Close()
	asked, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = asked.Read(make([]byte, 100))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
	require.Equal(t, "1\n", b.fine(t, "count"))
}

// A command fails if it can't write its output.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here; Linux has it")
	}
	defer full.Close()
	b := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	signIn(t, b.open(t, session.Config{}), "ada")
	for _, name := range []string{"count", "list", "ping", "drivers"} {
		cmd := exec.Command(binary, name, "-driver", b.driver, "-dsn", b.dsn)
		cmd.Stdout = full
		require.Error(t, cmd.Run(), name)
	}
}

// An error says what is wrong with the command line and what to do, and does not repeat a DSN.
func TestMistakes(t *testing.T) {
	none := backend{}
	dead := backend{"memcache", "127.0.0.1:1"}
	cookies := backend{"cookie", "unrevocable&secret=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}
	typo := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "typo.db")}
	sqlite := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	signIn(t, sqlite.open(t, session.Config{}), "ada")
	tomorrow := time.Now().AddDate(0, 0, 1).Format(time.DateOnly)
	for name, tt := range map[string]struct {
		backend
		args []string
		code int
		want string // a part of the error
	}{
		"no driver":                    {none, []string{"list"}, exitUsage, "name a driver"},
		"unknown driver":               {backend{"sequel", "secret"}, []string{"list"}, exitUsage, `unknown driver "sequel"`},
		"bad DSN":                      {backend{"sqlite", "file:x?hidden=secret"}, []string{"list"}, exitUsage, "go doc gosession.dev/session/drivers/sqlite"},
		"unknown flag":                 {none, []string{"list", "--sobject", "x"}, exitUsage, "unknown flag"},
		"unknown command":              {none, []string{"lst"}, exitUsage, "unknown command"},
		"end empty subject":            {sqlite, []string{"end", "--subject", ""}, exitUsage, "--subject is empty"},
		"list empty subject":           {sqlite, []string{"list", "--subject="}, exitUsage, "--subject is empty"},
		"bad limit":                    {sqlite, []string{"list", "--limit", "-1"}, exitUsage, "must be 0 or more"},
		"bad age":                      {sqlite, []string{"list", "--older-than", "x"}, exitUsage, "want a duration such as"},
		"negative days":                {sqlite, []string{"list", "--older-than", "-150000d"}, exitUsage, "want a duration such as"},
		"negative age":                 {sqlite, []string{"list", "--older-than", "-1h"}, exitUsage, "want a duration such as"},
		"days not a number":            {sqlite, []string{"list", "--older-than", "manyd"}, exitUsage, "want a duration such as"},
		"short number":                 {sqlite, []string{"end", "--sealed-under", "1f2e3d4"}, exitUsage, "8 hexadecimal digits"},
		"empty number":                 {sqlite, []string{"end", "--sealed-under="}, exitUsage, "8 hexadecimal digits"},
		"sealed-under and all":         {sqlite, []string{"end", "--sealed-under", "1f2e3d4c", "--all"}, exitUsage, "say what to end"},
		"until far away":               {sqlite, []string{"end", "--all", "--until", "2999-01-01"}, exitUsage, "more than ten years"},
		"until with all":               {sqlite, []string{"end", "--all", "--yes", "--until", tomorrow}, exitUsage, "--until needs --subject"},
		"until with keys":              {sqlite, []string{"end", "k", "--until", tomorrow}, exitUsage, "--until needs --subject"},
		"until a past date":            {sqlite, []string{"end", "--subject", "ada", "--until", "2026-01-31"}, exitUsage, "the time is in the past"},
		"until a past time":            {sqlite, []string{"end", "--subject", "ada", "--until", time.Now().Add(-time.Second).Format(time.RFC3339)}, exitUsage, "the time is in the past"},
		"until empty":                  {sqlite, []string{"end", "--subject", "ada", "--until="}, exitUsage, "want a date such as"},
		"until an age":                 {sqlite, []string{"end", "--subject", "ada", "--until", "30d"}, exitUsage, "want a date such as"},
		"subject of the cookie driver": {cookies, []string{"end", "--subject", "ada"}, exitFailed, "this driver can't do that"},
		"key without a session":        {sqlite, []string{"end", strings.Repeat("n", 43)}, exitNotFound, "no sessions have these keys: nnn"},
		"move from a missing file":     {typo, []string{"move", "--yes", "--to-driver", sqlite.driver, "--to-dsn", sqlite.dsn}, exitFailed, "nothing was created"},
		"copy from a missing file":     {typo, []string{"copy", "--to-driver", sqlite.driver, "--to-dsn", sqlite.dsn}, exitFailed, "nothing was created"},
		"copy from memory":             {backend{"memory", ""}, []string{"copy", "--to-driver", sqlite.driver, "--to-dsn", sqlite.dsn}, exitUsage, "can't be seen"},
		"copy to itself under another DSN": {sqlite, []string{"copy", "--to-driver", sqlite.driver, "--to-dsn", sqlite.dsn + "?_busy_timeout=9"},
			exitUsage, "nothing was copied"},
		"move to itself under another DSN": {sqlite, []string{"move", "--yes", "--to-driver", sqlite.driver, "--to-dsn", sqlite.dsn + "?_busy_timeout=9"},
			exitFailed, "nothing was moved"},
		"nothing to end":               {sqlite, []string{"end"}, exitUsage, "say what to end"},
		"keys and all":                 {sqlite, []string{"end", "k", "--all"}, exitUsage, "say what to end"},
		"no key":                       {sqlite, []string{"show"}, exitUsage, "show takes one key"},
		"dead server":                  {dead, []string{"ping"}, exitFailed, "connection refused"},
		"copy without a target":        {sqlite, []string{"copy"}, exitUsage, "--to-driver"},
		"copy to itself":               {sqlite, []string{"copy", "--to-driver", sqlite.driver, "--to-dsn", sqlite.dsn}, exitUsage, "the target is the same backend"},
		"copy to memory":               {sqlite, []string{"copy", "--to-driver", "memory"}, exitUsage, "sessions would be lost"},
		"move to a named memory":       {sqlite, []string{"move", "--yes", "--to-driver", "memory", "--to-dsn", "x"}, exitUsage, "sessions would be lost"},
		"copy to cookies":              {sqlite, []string{"copy", "--to-driver", "cookie", "--to-dsn", cookies.dsn}, exitFailed, "can't do that"},
		"copy to a dead server":        {sqlite, []string{"copy", "--to-driver", dead.driver, "--to-dsn", dead.dsn}, exitFailed, "target: memcached: dial: connection refused"},
		"copy to a bad DSN":            {sqlite, []string{"copy", "--to-driver", "sqlite"}, exitUsage, "target: session: open sqlite: "},
		"show a key without a session": {sqlite, []string{"show", strings.Repeat("n", 43)}, exitNotFound, "no session has this key"},
		"no confirmation":              {sqlite, []string{"end", "--all"}, exitFailed, "[y/N] \n"},
		"list of the cookie driver":    {cookies, []string{"list"}, exitFailed, "this driver can't do that"},
	} {
		t.Run(name, func(t *testing.T) {
			got := tt.run(t, "", tt.args...)
			require.Equal(t, tt.code, got.code, got.err)
			require.Contains(t, got.err, tt.want)
			require.NotContains(t, got.err, "secret")
		})
	}
	require.Equal(t, "1\n", sqlite.fine(t, "count"), "sessions after the failed commands")
	escaped := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "%73.db")}
	require.Contains(t, escaped.run(t, "", "count").err, "nothing was created")
	signIn(t, escaped.open(t, session.Config{}), "ada")
	require.Equal(t, "1\n", escaped.fine(t, "count"))
	for _, args := range [][]string{{"count"}, {"list"}, {"check"}, {"ping"}, {"sweep"}, {"end", "--all"}} {
		memory := backend{"memory", "x"}.run(t, "", args...)
		require.Equal(t, exitUsage, memory.code, "sessionctl %v", args)
		require.Empty(t, memory.out, "sessionctl %v", args)
		require.Contains(t, memory.err, "can't be seen", "sessionctl %v", args)
	}
}

// One key of 64 begins with a dash, as a flag does.
func TestKeysLikeFlags(t *testing.T) {
	b := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	f := b.open(t, session.Config{})
	for dashes := 0; dashes < 2; {
		s := signIn(t, f, "ada")
		if key := string(s.Key()); key[0] == '-' {
			dashes++
			require.Contains(t, b.fine(t, "show", key, "-json", "--values"), "apple")
			require.Equal(t, "ended: 1\n", b.fine(t, "end", key))
		}
	}
	key := "--" + strings.Repeat("x", 41)
	for args, want := range map[string]string{
		"end -subject x":          "end --subject x",
		"end -subject -all":       "end --subject -all",
		"end -subject -ann -yes":  "end --subject -ann --yes",
		"end -subject=-ann -yes":  "end --subject=-ann --yes",
		"end --subject " + key:    "end --subject " + key,
		"end " + key + " -yes":    "end --yes -- " + key,
		"end -- " + key + " -yes": "end -- " + key + " -yes",
		"end -nonsense":           "end --nonsense",
		"end -h":                  "end -h",
	} {
		require.Equal(t, strings.Fields(want), normalize((&ctl{}).root(), strings.Fields(args)))
	}
}

func TestHelp(t *testing.T) {
	none := backend{}
	help := none.fine(t, "--help")
	for _, command := range []string{"list", "show", "end", "count", "sweep", "ping", "drivers", "check", "bench", "copy", "move", "reseal", "completion"} {
		require.Contains(t, help, "\n  "+command+" ")
		inOrder(t, none.fine(t, command, "--help"), "Usage:", "\nFlags:", "\nExit codes:")
	}
	inOrder(t, help, "Manage the sessions in a backend", "Usage:", "\nCommands:", "\nFlags:", "\nExamples:", "\nExit codes:\n  0  success")
	inOrder(t, none.fine(t, "show", "--help"), "Show the session with this key", "Usage:", "\nFlags:", "\nGlobal Flags:", "\nExamples:", "\nExit codes:")
	require.Equal(t, help, none.fine(t, "-help"))
	require.Equal(t, none.fine(t, "--version"), none.fine(t, "-version"))
	require.Contains(t, none.fine(t, "--version"), "sessionctl version ")
	require.Equal(t, "cookie\nmemcache\nmemory\nmigrate\nmongo\nmysql\npostgres\nredis\nsqlite\n", none.fine(t, "drivers"))
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.NotEmpty(t, none.fine(t, "completion", shell))
	}
	require.Contains(t, none.fine(t, "__complete", "list", "--driver", ""), "sqlite\n")
}

// inOrder expects the parts in text, in this order.
func inOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		require.True(t, found, "%q is missing, or in the wrong order, in:\n%s", part, text)
		rest = after
	}
}
