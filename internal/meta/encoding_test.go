package meta

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/values"
	"gosession.dev/session/internal/writenumber"
)

// version1Meta returns metadata with timeouts and a label as release 0.1 wrote it.
func version1Meta() []byte {
	b := []byte{1, hasOwn | hasLabel}
	for _, v := range []int64{noon.UnixMilli(), noon.UnixMilli(), int64(time.Hour), 1, 2, int64(len("Firefox"))} {
		b = binary.AppendVarint(b, v)
	}
	return append(b, "Firefoxjson"...)
}

// indexOf returns the index that these varints encode.
func indexOf(varints ...int64) values.Index {
	var b []byte
	for _, v := range varints {
		b = binary.AppendVarint(b, v)
	}
	x, _, _ := values.ParseIndex(b)
	return x
}

func FuzzDecode(f *testing.F) {
	f.Add(Meta{Start: noon, Seen: noon, Idle: time.Hour, Codec: "json"}.Encode())
	f.Add(Meta{Start: noon, Label: "Firefox on Linux", Codec: "json"}.Encode())
	f.Add(Meta{Start: noon, Codec: "json", Index: indexOf(1, 2, 2, 3000), Writes: writenumber.Last{}.With(7)}.Encode())
	f.Add(Meta{Start: noon, Sent: noon, SignedIn: noon, Codec: "json"}.Encode())
	f.Add(Meta{Start: noon, Codec: "gob", Own: &Timeouts{Idle: 1, Lifetime: 2, Persistent: true}}.Encode())
	f.Add(version1Meta())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			require.ErrorIs(t, err, driver.ErrCorrupt)
			return
		}
		again, err := decode(m.Encode())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

// The format of stored metadata does not change.
func TestEncode(t *testing.T) {
	m := Meta{Start: time.UnixMilli(1), Seen: time.UnixMilli(2), Idle: 3, Codec: "json"}
	copy(m.Handle[:], "a handle, no more")
	require.Equal(t, "\x02\x00a handle, no mor\x02\x04\x06\x00json", string(m.Encode()))
	m.SignedIn, m.Sent, m.Own, m.Label = time.UnixMilli(4), time.UnixMilli(5), &Timeouts{6, 7, true}, "x"
	m.Index, m.Writes = indexOf(8, 1, 9), m.Writes.With(10)
	require.Equal(t, "\x02\x3fa handle, no mor\x02\x04\x06\x0c\x0e\x02x\x10\x02\x12\x08\x0a\x01\x00\x00\x00\x00\x00\x00\x00\x0ajson", string(m.Encode()))
}

// Metadata that is cut off, or has an unknown version or unknown flags, is corrupt.
func TestDecodeRefuses(t *testing.T) {
	m := Meta{Start: noon, Seen: noon, SignedIn: noon, Sent: noon, Idle: time.Hour, Own: &Timeouts{1, 2, true}, Label: "x", Index: indexOf(8, 1, 9)}
	m.Writes = m.Writes.With(10)
	b := m.Encode()
	for n := range b {
		_, err := decode(b[:n])
		require.ErrorIs(t, err, driver.ErrCorrupt, "%d bytes", n)
	}
	_, err := decode(append(slices.Clone(b), strings.Repeat("x", MaxCodecName)...))
	require.NoError(t, err)
	for name, spoiled := range map[string][]byte{
		"version 0":         append([]byte{0}, b[1:]...),
		"version 3":         append([]byte{3}, b[1:]...),
		"unknown flag":      append([]byte{2, b[1] | 0x40}, b[2:]...),
		"flag of version 2": append([]byte{1, hasSent}, version1Meta()[2:]...),
		"long codec":        append(slices.Clone(b), strings.Repeat("x", MaxCodecName+1)...),
	} {
		_, err := decode(spoiled)
		require.ErrorIs(t, err, driver.ErrCorrupt, name)
	}
}

// Package driver promises that metadata is under 1 KB.
func TestSize(t *testing.T) {
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	m := Meta{Start: far, SignedIn: far, Seen: far, Sent: far, Idle: 1<<63 - 1, Own: &Timeouts{Idle: 1<<63 - 1, Lifetime: 1<<63 - 1, Persistent: true}}
	m.Label, m.Codec = strings.Repeat("x", MaxLabel), strings.Repeat("x", MaxCodecName)
	m.Index = indexOf(append([]int64{1<<32 - 1, 100}, slices.Repeat([]int64{1 << 40}, 100)...)...)
	for i := range 10 {
		m.Writes = m.Writes.With(uint64(i))
	}
	require.Less(t, len(m.Encode()), 1<<10)
}
