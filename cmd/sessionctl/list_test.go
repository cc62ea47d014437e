package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/registry"
)

// list prints the most recently seen session first. Its columns line up also with wide and
// combining characters, and each value is in its column.
func TestListOrderAndColumns(t *testing.T) {
	b := inFile(t, "s.db")
	subjects := []string{"third", "日本語", "é́", "first"}
	for i, subject := range subjects {
		f := b.open(t, session.Config{Now: func() time.Time { return time.Now().Add(time.Duration(i-4) * time.Minute) }})
		s := signIn(t, f, subject)
		require.NoError(t, s.SetLabel("Firefox"))
		require.NoError(t, s.Flush(t.Context()))
	}
	anonymous, err := b.open(t, session.Config{}).Create(t.Context())
	require.NoError(t, err)
	require.NoError(t, anonymous.SetLabel("a label only"))
	require.NoError(t, anonymous.Flush(t.Context()))

	lines := strings.Split(strings.TrimSpace(b.fine(t, "list")), "\n")
	require.Len(t, lines, 6)
	subject, label := columns(before(lines[0], "SUBJECT")), columns(before(lines[0], "LABEL"))
	for i, want := range []string{"", "first", "é́", "日本語", "third"} {
		require.Equal(t, subject, columns(before(lines[i+1], want)), lines[i+1])
	}
	require.Equal(t, label, columns(before(lines[1], "a label only")))
	for _, line := range lines[2:] {
		require.Equal(t, label, columns(before(line, "Firefox")))
	}
	require.Contains(t, strings.Join(strings.Split(b.fine(t, "list", "--limit", "2"), "\n"), ""), "first")
	require.NotContains(t, b.fine(t, "list", "--limit", "2"), "third")
	require.Len(t, strings.Split(strings.TrimSpace(b.fine(t, "list", "--unsorted", "--limit", "2")), "\n"), 3)
	require.Contains(t, b.fine(t, "show", "--json", string(anonymous.Key())), `"codec":"json"`)
	require.Regexp(t, `"signed_in":"[-0-9]+T[:.0-9]+Z"`, b.fine(t, "list", "--json", "--subject", "first"))
	require.NotContains(t, b.fine(t, "show", "--json", string(anonymous.Key())), "signed_in")
}

// before returns the part of a line before text. For "" it returns what is before the empty
// subject of the session with the label "a label only".
func before(line, text string) string {
	if text == "" {
		text = "  a label only"
		line = strings.TrimRight(line[:strings.Index(line, text)], " ") + "  " + text
	}
	return line[:strings.Index(line, text)]
}

// list and count select sessions without opening their sealed values.
func TestSubjectsOfSealedSessions(t *testing.T) {
	for name, b := range withoutServers(t) {
		t.Run(name, func(t *testing.T) {
			s := signIn(t, b.sealing(t, secret1), "ada")
			signIn(t, b.sealing(t, secret2), "bob")
			for _, secrets := range [][][]byte{nil, {secret1}, {secret2}, {secret3}} {
				configure(t, secrets...)
				require.Contains(t, b.fine(t, "list", "--subject", "ada"), string(s.Key()))
				require.Contains(t, b.fine(t, "list", "--subject", "ada", "--json"), string(s.Key()))
				require.Equal(t, "1\n", b.fine(t, "count", "--subject", "ada"))
				require.Equal(t, `{"sessions":1}`+"\n", b.fine(t, "count", "--subject", "ada", "--json"))
				require.Equal(t, "2\n", b.fine(t, "count", "--older-than", "1ns"))
			}
		})
	}
}

// A session that can't be decoded still has its subject.
func TestSubjectOfCorruptSession(t *testing.T) {
	b := inFile(t, "s.db")
	store, err := registry.Open(b.driver, b.dsn)
	require.NoError(t, err)
	now := time.Now().UTC().Truncate(time.Millisecond)
	key := strings.Repeat("garbage", 7)[:43]
	require.NoError(t, store.Create(t.Context(), &driver.Record{
		Key: key, Subject: "ada", Data: []byte("?"), Meta: []byte("?"), Created: now, Expires: now.Add(time.Hour),
	}))
	require.NoError(t, store.Close())
	require.Regexp(t, key+` .* ada +can't be read\n`, b.fine(t, "list", "--subject", "ada"))
	require.Contains(t, b.fine(t, "list", "--subject", "ada", "--json"), `"error":"session can't be decoded"`)
	require.Equal(t, "1\n", b.fine(t, "count", "--subject", "ada"))
	require.Equal(t, "0\n", b.fine(t, "count", "--subject", "bob"))
	require.Equal(t, "ended: 1\n", b.fine(t, "end", "--subject", "ada"))
	require.Equal(t, "0\n", b.fine(t, "count"))
	typo := b.run(t, "", "end", "--subject", "adda")
	require.Equal(t, "ended: 0\n", typo.out)
	require.Contains(t, typo.err, "the subject has no sessions")
}
