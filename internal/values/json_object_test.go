package values

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// splitJSON splits every JSON object as encoding/json does. If it accepts other data, at least
// one of the values can't be decoded.
func FuzzSplitJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, ` { "a" : 1 , "b" : [ 1 , {"c":"}"} ] } `, `{"b":1,"a":2,"b":3}`,
		`{"":"","\u0061\"\\":"\\","ä":"\"}","<&>":null}`, "{\"\xff\":1,\"\xfe\":2}", "{\"a\nb\":1}",
		``, `null`, `[]`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1}x`, `{"a":1 2}`, `{"a":tru}`, `{"a":[}]}`,
		`{"a":1"b"}`, `{"a":"\"}`, `{"a":"x`, `{"a":[1}`, `{a:1}`, `{"a" 1}`, `{"a":1;"b":2}`, `{"a":-}`, `{"a":1]`, `{"a":x,"a":0}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		vs, err := splitJSON(data, Index{})
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) == nil && want != nil {
			require.NoError(t, err)
			got := map[string]json.RawMessage{}
			for _, v := range vs {
				got[string(v.Name)] = v.Data
			}
			require.Equal(t, want, got)
			return
		}
		if err == nil {
			require.True(t, slices.ContainsFunc(vs, func(v Value) bool { return !json.Valid(v.Data) }), "%q", data)
		}
	})
}
