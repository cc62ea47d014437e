package values

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// The format of stored data does not change.
func TestJoin(t *testing.T) {
	for _, tt := range []struct {
		codec string
		vs    List
		want  string
	}{
		{JSONName, nil, `{}`},
		{JSONName, list("b", `[1]`, "a", `"x"`), `{"a":"x","b":[1]}`},
		{JSONName, list("", `1`, `"\`, `2`, "<&>", `3`, "ä", `4`, "\u2028", `5`), `{"":1,"\"\\":2,"\u003c\u0026\u003e":3,"ä":4,"\u2028":5}`},
		{"gob", nil, ""},
		{"gob", list("b", "", "a", "xyz"), "\x01a\x03xyz\x01b\x00"},
		{"own", list("", "x"), "\x00\x01x"},
	} {
		data, err := Join(tt.codec, tt.vs)
		require.NoError(t, err)
		require.Equal(t, tt.want, string(data))
		vs, err := Split(tt.codec, data, Index{})
		require.NoError(t, err)
		require.Len(t, vs, len(tt.vs))
		for _, want := range tt.vs {
			got, found := vs.Get(string(want.Name))
			require.True(t, found, "%q", want.Name)
			require.Equal(t, string(want.Data), string(got))
		}
	}
}

// Data that another program has written may be in any order and contain a name twice.
func TestSplitSorts(t *testing.T) {
	for codec, data := range map[string]string{
		JSONName: `{"b":1,"c":0,"a":2,"b":3}`,
		"own":    "\x01b\x011\x01c\x010\x01a\x012\x01b\x013",
	} {
		vs, err := Split(codec, []byte(data), Index{})
		require.NoError(t, err)
		require.Equal(t, list("a", "2", "b", "3", "c", "0"), vs, codec)
	}
}

func TestSplitRefuses(t *testing.T) {
	for data, codec := range map[string]string{
		"":               JSONName,
		"null":           JSONName,
		`[1]`:            JSONName,
		`{"a":1`:         JSONName,
		`{"a":1}x`:       JSONName,
		"\x01":           "own",
		"\x01a":          "own",
		"\x01a\x02x":     "own",
		"\x01a\x01x\x80": "own",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a": "own",
	} {
		_, err := Split(codec, []byte(data), Index{})
		require.ErrorIs(t, err, driver.ErrCorrupt, "%q", data)
		require.EqualError(t, err, driver.ErrCorrupt.Error()+": its data can't be split into "+codec+" values")
	}
}

// Data that Split accepts can be joined and split again with the same result.
func FuzzSplit(f *testing.F) {
	for _, codec := range []string{JSONName, "gob"} {
		b, err := Join(codec, list("", `"x"`, "a", "1"))
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, codec := range []string{JSONName, "gob"} {
			vs, err := Split(codec, b, Index{})
			if err != nil {
				require.ErrorIs(t, err, driver.ErrCorrupt)
				continue
			}
			joined, err := Join(codec, vs)
			require.NoError(t, err)
			again, err := Split(codec, joined, Index{})
			require.NoError(t, err, "%q", joined)
			require.Equal(t, vs, again)
		}
	})
}
