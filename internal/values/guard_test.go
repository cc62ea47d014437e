package values

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// scribbler is a codec for []byte that keeps and changes the bytes that it is given, and returns
// the bytes that it keeps.
type scribbler struct {
	name string
	kept []byte
}

func (c *scribbler) Name() string { return c.name }

func (c *scribbler) Marshal(v any) ([]byte, error) {
	if v == nil {
		return nil, errors.New("nothing to encode")
	}
	c.kept = v.([]byte)
	return c.kept, nil
}

func (c *scribbler) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = data
	clear(data)
	c.kept = data
	return nil
}

func TestGuardSharesNoMemory(t *testing.T) {
	for _, name := range []string{JSONName, "own"} {
		inner := &scribbler{name: name}
		c := Guard(inner)
		data, err := c.Marshal([]byte(`"text"`))
		require.NoError(t, err)
		clear(inner.kept)
		require.Equal(t, `"text"`, string(data))
		var got []byte
		require.NoError(t, c.Unmarshal(data, &got))
		require.Equal(t, `"text"`, string(data))

		inner.name = "another"
		require.Equal(t, name, c.Name())
		_, err = c.Marshal(nil)
		require.EqualError(t, err, "nothing to encode")
	}
}

// Guard trusts only the codecs of this package.
func TestGuardOfOwnCodecs(t *testing.T) {
	require.Equal(t, JSON{}, Guard(JSON{}))
	require.Equal(t, Gob{}, Guard(Gob{}))
	require.NotEqual(t, struct{ Codec }{JSON{}}, Guard(struct{ Codec }{JSON{}}))
}

// A codec named "json" that produced anything else would break the session's other values.
func TestGuardChecksJSON(t *testing.T) {
	json, own := Guard(&scribbler{name: JSONName}), Guard(&scribbler{name: "own"})
	for _, data := range []string{"", " ", "x", `{"a":1`, `1,"b":2`, "1 2", "\"\xff\"", "\u00a01"} {
		_, err := json.Marshal([]byte(data))
		require.EqualError(t, err, `the codec named "json" has not produced JSON; give it another name`, "%q", data)
		got, err := own.Marshal([]byte(data))
		require.NoError(t, err)
		require.Equal(t, data, string(got))
	}
	for data, want := range map[string]string{"\r\n\t 1 \n": "1", `{ "a" : [] } `: `{ "a" : [] }`} {
		got, err := json.Marshal([]byte(data))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func TestGuardedValuesAreJoined(t *testing.T) {
	c := Guard(&scribbler{name: JSONName})
	var vs List
	for _, name := range []string{"a", "b"} {
		data, err := Encode(c, name, []byte("\n { \"n\" : 1 }\t"))
		require.NoError(t, err)
		vs.Set(name, data)
	}
	data, err := Join(c.Name(), vs)
	require.NoError(t, err)
	require.True(t, json.Valid(data), "%s", data)
	got, err := Split(c.Name(), data, Index{})
	require.NoError(t, err)
	require.Equal(t, vs, got)
}
