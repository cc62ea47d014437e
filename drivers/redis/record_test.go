package redis

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// Redis finds a key at the millisecond of its expiry, and a record is absent then.
func TestExpiry(t *testing.T) {
	server := testserver.StartRedis(t)
	s := open(t, dsnOf(server.Addr, "a:"))
	r := create(t, s, "k")
	expires := func() string { return server.Do(t, "PEXPIRETIME", "a:k") }
	require.Equal(t, strconv.FormatInt(r.Expires.UnixMilli()-1, 10), expires())
	require.NoError(t, s.Touch(t.Context(), "k", r.Expires.Add(time.Hour)))
	require.Equal(t, strconv.FormatInt(r.Expires.Add(time.Hour).UnixMilli()-1, 10), expires())
	require.NoError(t, s.Flush(t.Context(), r))
	require.Equal(t, strconv.FormatInt(r.Expires.UnixMilli()-1, 10), expires())
}

// FuzzParse checks that no value makes parse panic, and that a record is encoded as it was.
func FuzzParse(f *testing.F) {
	value, err := encode(record("k", time.Hour), 7)
	require.NoError(f, err)
	f.Add([]byte(value))
	f.Add([]byte(mark("k")))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := parse("k", value)
		if err != nil || len(r.Meta) >= 1<<16 {
			return
		}
		if again, err := encode(r, r.Version); err != nil || again != string(value) {
			t.Errorf("encode(parse(%q)) = %q, %v", value, again, err)
		}
	})
}

// A record that the format can't hold is refused.
func TestMisuse(t *testing.T) {
	s := open(t, "redis://127.0.0.1:1")
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	for _, r := range []*driver.Record{{Key: string(long)}, {Key: "k", Subject: string(long)}, {Key: "k", Meta: make([]byte, 1<<16)}} {
		require.ErrorIs(t, s.Create(t.Context(), r), errMisuse)
		require.ErrorIs(t, s.Flush(t.Context(), r), errMisuse)
		require.ErrorIs(t, s.ChangeID(t.Context(), "old", r), errMisuse)
	}
}
