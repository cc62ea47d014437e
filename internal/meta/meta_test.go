package meta

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/writenumber"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Touch moves the expiry only, so the later of Seen and expiry minus Idle is the last use.
func TestLastSeen(t *testing.T) {
	m := Meta{Seen: noon, Idle: time.Hour}
	for expires, want := range map[time.Time]time.Time{
		noon.Add(time.Hour):        noon,
		noon.Add(90 * time.Minute): noon.Add(30 * time.Minute),
		noon.Add(time.Minute):      noon, // the lifetime ends before the idle time does
	} {
		require.Equal(t, want, m.LastSeen(expires))
	}
}

func TestParse(t *testing.T) {
	h, err := NewHandle()
	require.NoError(t, err)
	want := Meta{
		Handle: h, Start: noon, SignedIn: noon.Add(1), Seen: noon.Add(2), Idle: time.Hour, Sent: noon.Add(3),
		Own: &Timeouts{Idle: 1, Lifetime: 2, Persistent: true}, Label: "Firefox on Linux", Codec: "own",
		Index: indexOf(1, 2, 2, 3000), Writes: writenumber.Last{}.With(7).With(1 << 63),
	}
	for _, at := range []*time.Time{&want.SignedIn, &want.Seen, &want.Sent} {
		*at = at.Truncate(time.Millisecond)
	}
	got, err := Parse(&driver.Record{Key: "key", Subject: "ada", Meta: want.Encode()})
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// Records of release 0.1 are read as if they had a handle and a time of sign-in.
func TestParseVersion1(t *testing.T) {
	rec := &driver.Record{Key: "key", Subject: "ada", Meta: version1Meta()}
	m, err := Parse(rec)
	require.NoError(t, err)
	require.Equal(t, handleOf("key"), m.Handle)
	require.Equal(t, Meta{
		Handle: m.Handle, Start: noon, SignedIn: noon, Seen: noon, Idle: time.Hour,
		Own: &Timeouts{Idle: 1, Lifetime: 2}, Label: "Firefox", Codec: "json",
	}, m)

	// Once the record is written again, it keeps both, even under another key.
	rec.Key, rec.Meta = "other key", m.Encode()
	again, err := Parse(rec)
	require.NoError(t, err)
	require.Equal(t, m, again)

	anonymous, err := Parse(&driver.Record{Key: "key", Meta: version1Meta()})
	require.NoError(t, err)
	require.Zero(t, anonymous.SignedIn)
}
