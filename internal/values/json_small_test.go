package values

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Simple values are encoded and decoded as encoding/json would do it.
func FuzzSmallJSON(f *testing.F) {
	for _, s := range []string{"0", "7", "-1", "01", "123456789", "1234567890", "1e3", "1.0", "true", "false", "True", "null", "",
		`""`, `"a"`, `"`, `"\\"`, `"<"`, `"ä"`, `"a`, "\"\x00\"", " 1", "1 "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		requireSame[int](t, data)
		requireSame[int64](t, data)
		requireSame[bool](t, data)
		requireSame[string](t, data)
		small, ok := appendSmall(nil, string(data))
		if ok {
			want, err := json.Marshal(string(data))
			require.NoError(t, err)
			require.Equal(t, want, small)
		}
	})
}

func requireSame[T any](t *testing.T, data []byte) {
	t.Helper()
	var got, want T
	if readSmall(data, &got) {
		require.NoError(t, json.Unmarshal(data, &want), "%q", data)
		require.Equal(t, want, got)
	}
}
