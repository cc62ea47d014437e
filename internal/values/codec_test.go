package values

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{"", "a", "\x00", "\ufffd", "\U0010ffff", "键"} {
		require.NoError(t, CheckName(name), "%q", name)
	}
	for _, name := range []string{"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80"} {
		require.ErrorContains(t, CheckName(name), "must be UTF-8", "%q", name)
	}
}

func TestEncodeAndDecode(t *testing.T) {
	for _, c := range []Codec{JSON{}, Gob{}} {
		data, err := Encode(c, "n", []int{1, 2})
		require.NoError(t, err)
		got, err := Decode[[]int](c, "n", data)
		require.NoError(t, err)
		require.Equal(t, []int{1, 2}, got)
	}
}

// halfway has a first field that is decoded before the second fails.
type halfway struct{ A, B int }

// An error shows the name and the type of a value, and nothing of the value.
func TestCodingErrors(t *testing.T) {
	_, err := Encode(JSON{}, "f", func() {})
	require.EqualError(t, err, `value "f" can't be stored as func(): JSON has no func(); use the Gob codec or another type`)
	_, err = Encode(Gob{}, "f", nil)
	require.ErrorContains(t, err, `value "f" can't be stored as <nil>: `)
	got, err := Decode[halfway](JSON{}, "h", []byte(`{"A":1,"B":"canary"}`))
	require.EqualError(t, err, `value "h" can't be read as values.halfway: at B: can't decode a JSON string as int`)
	require.Zero(t, got)
	_, err = Decode[int](JSON{}, "n", []byte("null"))
	require.EqualError(t, err, `value "n" can't be read as int: can't decode a JSON null as int`)

	cause := errors.New("cause")
	_, err = Encode(failing{cause}, "n", 1)
	require.ErrorIs(t, err, cause)
	_, err = Decode[int](failing{cause}, "n", nil)
	require.ErrorIs(t, err, cause)
}

type failing struct{ err error }

func (failing) Name() string                  { return "failing" }
func (c failing) Marshal(any) ([]byte, error) { return nil, c.err }
func (c failing) Unmarshal([]byte, any) error { return c.err }

// Gob may encode the same map in several ways, JSON in only one.
func TestSame(t *testing.T) {
	large := map[string]int{}
	for i := range 20 {
		large[string(rune('a'+i))] = i
	}
	encoded := func(v any) []byte {
		data, err := Gob{}.Marshal(v)
		require.NoError(t, err)
		return data
	}
	for range 10 {
		require.True(t, Same[map[string]int](Gob{}, encoded(large), encoded(large)))
	}
	one, two := encoded(map[string]int{"a": 1}), encoded(map[string]int{"a": 2})
	require.False(t, Same[map[string]int](Gob{}, one, two))
	require.False(t, Same[[]string](Gob{}, one, two), "neither is a []string")
	require.True(t, Same[[]string](Gob{}, one, one), "equal bytes are not decoded")

	require.True(t, Same[int](JSON{}, []byte("1"), []byte("1")))
	require.False(t, Same[int](JSON{}, []byte("1"), []byte(" 1")))
}
