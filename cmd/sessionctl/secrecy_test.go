package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// No error repeats a part of a DSN, wherever it is in the command line.
func TestDSNIsNotRepeated(t *testing.T) {
	const dsn = "mongodb://canary:canary@canary-host/canary?canary=canary"
	for _, args := range [][]string{
		{dsn}, {"list", dsn}, {"count", "--driver", dsn}, {"count", "--driver=" + dsn, "--dsn", dsn}, {"--" + dsn}, {"-" + dsn},
		{"list", "--dsn" + dsn}, {"list", "--limit", dsn}, {"list", "--older-than", dsn}, {"end", "--until", dsn, "--subject", "x"},
		{"end", "--sealed-under", dsn}, {"bench", "--for", dsn}, {"bench", "--parallel", dsn}, {"list", "--json=" + dsn},
		{"show", dsn}, {"end", dsn}, {"copy", dsn}, {"copy", "--to-driver", dsn}, {"move", "--to-driver", dsn, "--to-dsn", dsn},
		{"ping", "--driver", "sqlite", "--dsn", dsn}, {"ping", "--driver", "memcache", "--dsn", dsn},
		{"ping", "--driver", "migrate", "--dsn", dsn}, {"ping", "--driver", "cookie", "--dsn", dsn}, {"ping", "--driver", "mongo", "--dsn", dsn}, {"ping", "--driver", "memory", "--dsn", dsn},
		{"ping", "--driver", "postgres", "--dsn", dsn}, {"ping", "--driver", "mysql", "--dsn", dsn}, {"ping", "--driver", "redis", "--dsn", dsn},
		{"ping", "--driver", "postgres", "--dsn", "postgres://canary:canary@127.0.0.1:1/canary"}, {"ping", "--driver", "mysql", "--dsn", "canary:canary@tcp(127.0.0.1:1)/canary"},
		{"ping", "--driver", "redis", "--dsn", "redis://canary:canary@127.0.0.1:1/0?prefix=canary:"}, {"ping", "--driver", "redis", "--dsn", "redis://canary:canary@127.0.0.1:1/canary?canary=1"},
		{"ping", "--driver", "migrate", "--dsn", "stage=move&old=" + dsn + "&new=" + dsn},
	} {
		got := backend{"sqlite", "file:" + t.TempDir() + "/canary.db"}.run(t, "", args...)
		require.NotZero(t, got.code, args)
		require.NotContains(t, got.out+got.err, "canary", args)
		require.NotEmpty(t, got.err)
	}
	for _, name := range []string{"SESSION_TO_DRIVER", "SESSION_TO_DSN"} {
		t.Setenv(name, dsn)
	}
	for _, args := range [][]string{{}, {"--help"}, {"list", "--help"}, {"move", "--help"}, {"help", "copy"}, {"completion", "bash"}, {"--version"}, {"drivers"}, {"list"}, {"move"}} {
		got := backend{dsn, dsn}.run(t, "", args...)
		require.NotContains(t, got.out+got.err, "canary", args)
		require.NotEmpty(t, got.out+got.err, args)
	}
	t.Setenv("SESSION_SECRETS", "canary")
	got := backend{"sqlite", "file:x.db"}.run(t, "", "count")
	require.Equal(t, exitUsage, got.code)
	require.NotContains(t, got.err, "canary")
}

// If an argument is an ID and not a key, the error does not repeat it, and says that an ID is a
// secret.
func TestIDIsNotRepeated(t *testing.T) {
	b := inFile(t, "s.db")
	f := b.open(t, session.Config{})
	s := signIn(t, f, "ada")
	id := s.ID().Reveal()
	for _, text := range []string{id, id + id, id[:10]} {
		for _, args := range [][]string{{"show", text}, {"show", "--json", text}, {"end", text}, {"end", string(s.Key()), text}} {
			got := b.run(t, "", args...)
			require.Equal(t, exitUsage, got.code)
			require.NotContains(t, got.out+got.err, text)
			require.Contains(t, got.err, "is not a key")
			require.Contains(t, got.err, "If it is an ID from a cookie, it is a secret")
		}
	}
	require.Equal(t, "1\n", b.fine(t, "count"), "sessions after the rejected commands")
}

// Text that users choose can't control a terminal, in JSON either, and list cuts it.
func TestHostileTextIsEscapedAndCut(t *testing.T) {
	const hostile = "\x1b[2J\u009b31m\u202e\U000e0001\x7f"
	b := inFile(t, "s.db")
	f := b.open(t, session.Config{})
	s := signIn(t, f, "ada"+hostile+strings.Repeat("界", 50))
	require.NoError(t, s.SetLabel(hostile+strings.Repeat("x", 150)))
	require.NoError(t, s.Set(hostile, hostile))
	require.NoError(t, s.Flush(t.Context()))
	for _, args := range [][]string{{"list", "--json"}, {"list"}, {"list", "--unsorted"}, {"show", "--json", "--values", string(s.Key())}} {
		out := b.fine(t, args...)
		require.NotRegexp(t, "[\x1b\x7f\u009b\u202e\U000e0001]", out, args)
		for line := range strings.Lines(out) {
			if args[0] == "list" && len(args) < 3 && !strings.HasPrefix(line, "{") {
				require.LessOrEqual(t, columns(line), 200)
			}
		}
	}
	require.Contains(t, b.fine(t, "list", "--json"), `\udb40\udc01`)
}
