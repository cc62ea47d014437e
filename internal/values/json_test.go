package values

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Decoding arbitrary bytes never panics, and a decoded value can be encoded and decoded again
// without a change. Gob is left out: encoding/gob is not made for hostile bytes.
func FuzzJSONCodec(f *testing.F) {
	for _, v := range []any{1, "x", []string{"a"}, map[string]float64{"a": 1.5}, nested{"a", []nested{{"b", nil}}}} {
		data, err := JSON{}.Marshal(v)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again[int](t, JSON{}, data)
		again[string](t, JSON{}, data)
		again[[]string](t, JSON{}, data)
		again[map[string]float64](t, JSON{}, data)
		again[nested](t, JSON{}, data)
	})
}

type nested struct {
	Name string
	Sub  []nested
}

func again[T any](t *testing.T, c Codec, data []byte) {
	var v, w T
	if c.Unmarshal(data, &v) != nil {
		return
	}
	stored, err := c.Marshal(v)
	require.NoError(t, err, "%s of %#v", c.Name(), v)
	require.NoError(t, c.Unmarshal(stored, &w), "%s of %q", c.Name(), stored)
	require.Equal(t, fmt.Sprintf("%#v", v), fmt.Sprintf("%#v", w))
}
