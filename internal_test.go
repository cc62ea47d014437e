package session

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func FuzzParseMeta(f *testing.F) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	f.Add(meta{start: now, seen: now, idle: time.Hour, codec: "json"}.encode())
	f.Add(meta{start: now, label: "Firefox on Linux", codec: "json"}.encode())
	f.Add(meta{start: now, codec: "gob", own: &Timeouts{Idle: 1, Lifetime: 2, Persistent: true}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMeta(b)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again, err := parseMeta(m.encode())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

// Meta is under 1 KB, as package driver has been promised.
func TestMetaSize(t *testing.T) {
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	m := meta{start: far, seen: far, idle: 1<<63 - 1, own: &Timeouts{Idle: 1<<63 - 1, Lifetime: 1<<63 - 1}, codec: "sixteen-bytes-aa"}
	m.label = strings.Repeat("x", maxLabel)
	require.Less(t, len(m.encode()), 300)
}

func FuzzSplitValues(f *testing.F) {
	for _, c := range []Codec{JSON, Gob} {
		b, err := joinValues(c, map[string][]byte{"a": []byte("1"), "": []byte(`"x"`)})
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range []Codec{JSON, Gob} {
			values, err := splitValues(c, b)
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				continue
			}
			joined, err := joinValues(c, values)
			require.NoError(t, err)
			again, err := splitValues(c, joined)
			require.NoError(t, err, "%q", joined)
			require.Equal(t, values, again)
		}
	})
}

// What net/http reads of a Cookie header, cookieValues reads too; and it sees the
// malformed ones besides. A word without "=" is a value without a name (RFC 6265bis,
// 5.6).
func FuzzCookieValues(f *testing.F) {
	f.Add("session=a; session=b")
	f.Add(` x=1 ;session="a b"; session=;session`)
	f.Add("session")
	f.Add("session =a")
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cookie": {line}}
		got := slices.Collect(cookieValues(h, "session"))
		for _, c := range (&http.Request{Header: h}).CookiesNamed("session") {
			if !c.Quoted && c.Value != "" {
				require.Contains(t, got, c.Value)
			}
		}
	})
}
