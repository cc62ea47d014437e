package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/registry"
	"gosession.dev/session/internal/subjectmark"
)

// markOf returns the mark of a subject, or nil if it has none.
func (b backend) markOf(t *testing.T, subject string) *driver.Record {
	t.Helper()
	store, err := registry.Open(b.driver, b.dsn)
	require.NoError(t, err)
	defer store.Close()
	r, err := store.Retrieve(t.Context(), subjectmark.Key(subject))
	if err != nil {
		require.ErrorIs(t, err, driver.ErrNotFound)
		return nil
	}
	return r
}

// end --subject changes the number in the subject's mark, so that a sign-in in progress fails.
func TestEndSubjectMarks(t *testing.T) {
	for name, b := range withoutServers(t) {
		t.Run(name, func(t *testing.T) {
			signIn(t, b.open(t, session.Config{}), "ada")
			require.Nil(t, b.markOf(t, "ada"))
			b.fine(t, "end", "--subject", "ada")
			first := b.markOf(t, "ada")
			require.WithinDuration(t, time.Now().Add(24*time.Hour), first.Expires, time.Minute)
			b.fine(t, "end", "--subject", "ada")
			require.NotEqual(t, first.Meta, b.markOf(t, "ada").Meta, "the mark after the subject had no sessions to end")
			require.Nil(t, b.markOf(t, "bob"))
		})
	}
}

// A mark lasts until a day after --until. A later end --subject does not shorten that.
func TestEndSubjectUntil(t *testing.T) {
	b := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "s.db")}
	at := time.Now().Add(100 * 24 * time.Hour).Truncate(time.Second)
	for _, text := range []string{at.Format(time.RFC3339), at.UTC().Format(time.RFC3339), at.In(time.FixedZone("", 5*3600)).Format(time.RFC3339)} {
		signIn(t, b.open(t, session.Config{}), text)
		b.fine(t, "end", "--subject", text, "--until", text)
		b.fine(t, "end", "--subject", text)
		require.WithinDuration(t, at.Add(24*time.Hour), b.markOf(t, text).Expires, 0)
		require.Equal(t, "0\n", b.fine(t, "count", "--subject", text))
	}
	for _, zone := range []string{"UTC", "Pacific/Kiritimati", "America/New_York"} {
		t.Setenv("TZ", zone)
		location, err := time.LoadLocation(zone)
		require.NoError(t, err)
		now := time.Now().In(location)
		for _, days := range []int{0, 1, 300} {
			subject := fmt.Sprint(zone, days)
			b.fine(t, "end", "--subject", subject, "--until", now.AddDate(0, 0, days).Format(time.DateOnly))
			end := time.Date(now.Year(), now.Month(), now.Day()+days+1, 0, 0, 0, 0, location)
			require.WithinDuration(t, end.Add(24*time.Hour), b.markOf(t, subject).Expires, 0, "a date is the end of that day")
		}
	}
}

// Marks are not sessions: no command shows, counts or ends them.
func TestMarksAreNoSessions(t *testing.T) {
	for name, b := range withoutServers(t) {
		t.Run(name, func(t *testing.T) {
			f := b.open(t, session.Config{})
			require.NoError(t, f.Ping(t.Context()))
			b.fine(t, "end", "--subject", "ada")
			mark := b.markOf(t, "ada")
			require.Empty(t, b.fine(t, "list"))
			require.Equal(t, "0\n", b.fine(t, "count"))
			signIn(t, f, "ada")
			require.NotContains(t, b.fine(t, "list"), mark.Key)
			require.NotContains(t, b.fine(t, "list", "--json"), mark.Key)
			require.Equal(t, "1\n", b.fine(t, "count"))
			require.Equal(t, "0\n", b.fine(t, "count", "--older-than", "1h"))
			require.Equal(t, "can be read: 1\n", b.fine(t, "check"))
			require.JSONEq(t, `{"readable": 1, "sealed_without_secret": 0, "unreadable": [], "secrets": [], "unsealed": 1}`, b.fine(t, "check", "--json"))
			require.Equal(t, exitUsage, b.run(t, "", "show", mark.Key).code)

			byKey := b.run(t, "", "end", mark.Key)
			require.Equal(t, exitUsage, byKey.code)
			require.Empty(t, byKey.out)
			require.Equal(t, "ended: 1\n", b.fine(t, "end", "--all", "--yes"))
			require.Equal(t, mark, b.markOf(t, "ada"))
		})
	}
}

func TestMoveCarriesMarks(t *testing.T) {
	from := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "from.db")}
	to := backend{"sqlite", "file:" + filepath.Join(t.TempDir(), "to.db")}
	require.NoError(t, from.open(t, session.Config{}).Ping(t.Context()))
	for _, subject := range []string{"ada", "bob"} {
		from.fine(t, "end", "--subject", subject, "--until", time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
	}
	signIn(t, from.open(t, session.Config{}), "ada")
	mark := from.markOf(t, "ada")
	require.Regexp(t, `^moved: 1 of 1 in `, from.fine(t, "move", "--yes", "--to-driver", to.driver, "--to-dsn", to.dsn))
	require.Equal(t, "1\n", to.fine(t, "count"))
	require.Nil(t, from.markOf(t, "ada"))
	moved := to.markOf(t, "ada")
	require.Equal(t, mark.Meta, moved.Meta, "the mark in the target")
	require.Equal(t, mark.Expires, moved.Expires)
	require.NotNil(t, to.markOf(t, "bob"))
}
