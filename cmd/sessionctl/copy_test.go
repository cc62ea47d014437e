package main

import (
	"encoding/json"
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

// inFile returns a backend in a new SQLite file.
func inFile(t *testing.T, name string) backend {
	return backend{"sqlite", "file:" + filepath.Join(t.TempDir(), name)}
}

// copyTo runs copy and returns its result.
func (b backend) copyTo(t *testing.T, to backend, flags ...string) copyStats {
	t.Helper()
	var s copyStats
	out := b.fine(t, append([]string{"copy", "--json", "--to-driver", to.driver, "--to-dsn", to.dsn}, flags...)...)
	require.NoError(t, json.Unmarshal([]byte(out), &s))
	s.Seconds = 0
	return s
}

// copy leaves the source as it is, and can be run again.
func TestCopyKeepsTheSource(t *testing.T) {
	all := backends(t)
	for _, pair := range [][2]string{{"sqlite", "mongo"}, {"mongo", "memcache"}, {"memcache", "sqlite"}, {"sqlite", "postgres"}, {"postgres", "mysql"}, {"mysql", "redis"}, {"redis", "sqlite"}} {
		from, to := all[pair[0]], all[pair[1]]
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			for _, b := range []backend{from, to} {
				signIn(t, b.open(t, session.Config{}), "nobody")
				b.fine(t, "end", "--all", "--yes")
			}
			f := from.open(t, session.Config{})
			ada, bob := signIn(t, f, "ada"), signIn(t, f, "bob")
			require.Equal(t, copyStats{Total: 2, Copied: 2}, from.copyTo(t, to))
			require.Equal(t, copyStats{Total: 2, Same: 2}, from.copyTo(t, to))
			require.Equal(t, copyStats{Total: 2, Same: 2}, from.copyTo(t, to, "--replace"))
			for _, b := range []backend{from, to} {
				opened := b.open(t, session.Config{})
				for _, s := range []*session.Session{ada, bob} {
					there, err := opened.Retrieve(t.Context(), s.ID())
					require.NoError(t, err)
					require.Equal(t, s.Subject(), there.Subject())
				}
			}
			b, err := f.Retrieve(t.Context(), ada.ID())
			require.NoError(t, err)
			require.NoError(t, b.Set("n", 1))
			require.NoError(t, b.Flush(t.Context()), "Flush of a session in the source after the copy")
		})
	}
}

// copy overwrites a session of the target only with --replace. A session that ended there during
// a migration does not come back.
func TestCopyOverSessionsOfTheTarget(t *testing.T) {
	from, to := inFile(t, "from.db"), inFile(t, "to.db")
	f := from.open(t, session.Config{})
	ada, gone, late := signIn(t, f, "ada"), signIn(t, f, "gone"), signIn(t, f, "late")
	from.copyTo(t, to)

	require.NoError(t, late.Destroy(t.Context()))
	require.NoError(t, ada.Set("cart", []string{"pear"}))
	require.NoError(t, ada.Flush(t.Context()))
	require.Equal(t, copyStats{Total: 2, Same: 1, Kept: 1}, from.copyTo(t, to))
	require.Contains(t, to.fine(t, "show", "--values", string(ada.Key())), "apple")
	require.Equal(t, copyStats{Total: 2, Same: 1, Replaced: 1}, from.copyTo(t, to, "--replace"))
	require.Contains(t, to.fine(t, "show", "--values", string(ada.Key())), "pear")
	require.Equal(t, "3\n", to.fine(t, "count"), "sessions in the copy after one ended in the source")
	text := from.fine(t, "copy", "--to-driver", to.driver, "--to-dsn", to.dsn)
	require.Regexp(t, `^copied: 0 of 2 in .*\nalready there: 2\n$`, text)

	pair := backend{"migrate", "stage=move&new=sqlite:" + to.dsn + "&old=sqlite:" + inFile(t, "old.db").dsn}
	pairOf := pair.open(t, session.Config{})
	require.NoError(t, pairOf.Ping(t.Context()))
	moving, err := pairOf.Retrieve(t.Context(), gone.ID())
	require.NoError(t, err)
	require.NoError(t, moving.Destroy(t.Context()))
	require.Equal(t, copyStats{Total: 2, Same: 1, Kept: 1}, from.copyTo(t, to, "--replace"))
	_, err = to.open(t, session.Config{}).Retrieve(t.Context(), gone.ID())
	require.ErrorIs(t, err, session.ErrNotFound)
}

// copy copies sealed sessions without a secret, and no expired ones.
func TestCopySealedAndExpired(t *testing.T) {
	from, to := inFile(t, "from.db"), inFile(t, "to.db")
	s := signIn(t, from.sealing(t, secret1), "ada")
	store, err := registry.Open(from.driver, from.dsn)
	require.NoError(t, err)
	now := time.Now().UTC().Truncate(time.Millisecond)
	require.NoError(t, store.Create(t.Context(), &driver.Record{Key: strings.Repeat("e", 43), Created: now, Expires: now.Add(20 * time.Millisecond)}))
	require.NoError(t, store.Close())
	time.Sleep(50 * time.Millisecond)
	require.Equal(t, copyStats{Total: 1, Copied: 1}, from.copyTo(t, to))
	_, err = to.sealing(t, secret1).Retrieve(t.Context(), s.ID())
	require.NoError(t, err)
	_, err = to.sealing(t, secret2).Retrieve(t.Context(), s.ID())
	require.Error(t, err)
}

// copy and move leave a session that is too large for the target, and say so.
func TestTooLargeSessionIsLeft(t *testing.T) {
	from, to := inFile(t, "from.db"), backend{"memcache", testserver.StartMemcached(t).Addr + testserver.Patient}
	signIn(t, from.open(t, session.Config{}), "ada")
	large := signIn(t, from.open(t, session.Config{MaxSize: -1}), "bob")
	require.NoError(t, large.Set("data", strings.Repeat("x", 2<<20)))
	require.NoError(t, large.Flush(t.Context()))
	for _, args := range [][]string{{"copy"}, {"move", "--yes"}} {
		got := from.run(t, "", append(args, "--to-driver", to.driver, "--to-dsn", to.dsn, "--json")...)
		require.Equal(t, exitCorrupt, got.code, "%v: %s", args, got.err)
		require.Contains(t, got.err, "too large for the target: 1;")
		require.Contains(t, got.out, `"left":1`)
		require.Equal(t, "1\n", to.fine(t, "count"))
	}
	require.Equal(t, "1\n", from.fine(t, "count"))
}

func TestCopyCarriesMarks(t *testing.T) {
	from, to := inFile(t, "from.db"), inFile(t, "to.db")
	signIn(t, from.open(t, session.Config{}), "bob")
	from.fine(t, "end", "--subject", "ada", "--until", time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
	require.Equal(t, copyStats{Total: 1, Copied: 1}, from.copyTo(t, to))
	require.Equal(t, from.markOf(t, "ada").Meta, to.markOf(t, "ada").Meta)
}

// After Ctrl-C, copy says how many sessions it has copied. Run again, it copies the others.
func TestCopyInterrupted(t *testing.T) {
	from := inFile(t, "s.db")
	server := testserver.StartMemcached(t)
	proxy := netfault.Start(t, server.Addr)
	proxy.Delay(20 * time.Millisecond)
	f := from.open(t, session.Config{})
	for range 200 {
		signIn(t, f, "ada")
	}
	cmd := exec.Command(binary, "copy", "-driver", from.driver, "-dsn", from.dsn, "--to-driver", "memcache", "--to-dsn", proxy.Addr+testserver.Patient, "--parallel", "2")
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	require.NoError(t, cmd.Start())
	there := backend{"memcache", server.Addr + testserver.Patient}
	for len(there.fine(t, "count")) < len("10\n") {
		time.Sleep(20 * time.Millisecond)
	}
	proxy.Swallow() // so that the command can't end before it is interrupted
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait())
	require.Regexp(t, `^copied: [1-9]\d* of 200 in `, out.String())
	require.Contains(t, stderr.String(), "interrupted; run the command again to continue")
	proxy.Heal()
	got := from.copyTo(t, there)
	require.Equal(t, 200, got.Same+got.Copied)
	require.NotZero(t, got.Same)
	require.Equal(t, "200\n", from.fine(t, "count"))
}

// move asks on a terminal and needs --yes elsewhere. Without a confirmation it moves nothing.
func TestMoveAsksForConfirmation(t *testing.T) {
	from, to := inFile(t, "from.db"), inFile(t, "to.db")
	signIn(t, from.open(t, session.Config{}), "ada")
	for _, stdin := range []string{"", "y\n", "yes\n"} {
		got := from.run(t, stdin, "move", "--to-driver", to.driver, "--to-dsn", to.dsn)
		require.Equal(t, exitUsage, got.code)
		require.Contains(t, got.err, "add --yes, or use copy")
		require.Equal(t, "1\n", from.fine(t, "count"))
	}
	args := []string{"move", "-driver", from.driver, "-dsn", from.dsn, "--to-driver", to.driver, "--to-dsn", to.dsn}
	require.Contains(t, answering(t, "n\n", args...), "no session was moved")
	require.NoFileExists(t, strings.TrimPrefix(to.dsn, "file:"))
	require.Equal(t, "1\n", from.fine(t, "count"))
	shown := answering(t, "y\n", args...)
	require.Contains(t, shown, "Move all sessions and empty the source?")
	require.Contains(t, shown, "moved: 1 of 1")
	require.Equal(t, "0\n", from.fine(t, "count"))
}
