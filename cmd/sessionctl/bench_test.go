package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// bench ends its sessions when it is interrupted. When it is killed, they expire soon.
func TestBenchInterrupted(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM, os.Kill} {
		t.Run(signal.String(), func(t *testing.T) {
			b := inFile(t, "s.db")
			require.NoError(t, b.open(t, session.Config{}).Ping(t.Context()))
			cmd := exec.Command(binary, "bench", "--for", "1m", "--size", "100000", "-driver", b.driver, "-dsn", b.dsn)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			require.NoError(t, cmd.Start())
			for b.fine(t, "count") == "0\n" {
				time.Sleep(20 * time.Millisecond)
			}
			require.NoError(t, cmd.Process.Signal(signal))
			require.Error(t, cmd.Wait())
			for line := range strings.Lines(b.fine(t, "list", "--json")) {
				var s struct{ Expires time.Time }
				require.NoError(t, json.Unmarshal([]byte(line), &s))
				require.Equal(t, os.Kill, signal)
				require.WithinRange(t, s.Expires, time.Now(), time.Now().Add(2*time.Minute))
			}
			if signal != os.Kill {
				require.Contains(t, stderr.String(), "interrupted; the sessions of bench have ended")
				require.Equal(t, exitFailed, cmd.ProcessState.ExitCode())
			}
		})
	}
}

// Every command prints its result as JSON with --json.
func TestJSON(t *testing.T) {
	b, to := inFile(t, "s.db"), inFile(t, "to.db")
	s := signIn(t, b.open(t, session.Config{}), "ada")
	target := []string{"--to-driver", to.driver, "--to-dsn", to.dsn}
	for _, args := range [][]string{
		{"list"}, {"list", "--unsorted"}, {"count"}, {"show", string(s.Key())}, {"check"}, {"sweep"}, {"ping"}, {"drivers"},
		{"bench", "--for", "50ms"}, append([]string{"copy"}, target...), append([]string{"move", "--yes"}, target...),
		{"end", "--subject", "ada"}, {"end", "--all", "--yes"},
	} {
		out := b.fine(t, append(args, "--json")...)
		require.NotEmpty(t, out)
		for line := range strings.Lines(out) {
			require.True(t, json.Valid([]byte(line)), line)
		}
	}
}

// When the reader of its output closes the pipe, the command ends without an error message.
func TestClosedPipe(t *testing.T) {
	b := inFile(t, "s.db")
	f := b.open(t, session.Config{})
	for range 500 {
		signIn(t, f, "ada")
	}
	for _, flags := range []string{"", "--json", "--unsorted"} {
		out, err := exec.Command("sh", "-c", `"$0" list -driver sqlite -dsn "$1" `+flags+` | head -1`, binary, b.dsn).CombinedOutput()
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(out), "\n"), string(out))
	}
}
