package sqlstore

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// JSON objects come back without white space, and all other data comes back byte for byte.
func TestJSONData(t *testing.T) {
	for data, readable := range map[string]bool{
		`{}`:                               true,
		` {"a": [1, 2.5, "x"], "é": null}`: true,
		`{"a":"\\u12e4"}`:                  true,
		`{"a":12345678901234567890123}`:    true,
		``:                                 false,
		`null`:                             false,
		`"e30="`:                           false, // looks like Base64 of {}
		`[1]`:                              false,
		`{"a":1`:                           false,
		"{\"a\":\"\xff\"}":                 false,
		`{"a":"\u0000"}`:                   false,
		`{"a":"\ud800"}`:                   false,
		`{"a":1e400000}`:                   false,
		"\x81sealed\x00":                   false,
	} {
		text := toJSON([]byte(data))
		require.True(t, json.Valid([]byte(text)), "toJSON(%q)", data)
		require.Equal(t, readable, text == data, "whether toJSON(%q) is readable", data)
		got, err := fromJSON([]byte(text))
		require.NoError(t, err)
		require.Equal(t, compact([]byte(data)), string(got))
	}
	for _, corrupt := range []string{``, `null`, `1`, `[]`, `{"a"`, `"%"`, `"`, `"a`} {
		_, err := fromJSON([]byte(corrupt))
		require.ErrorIs(t, err, driver.ErrCorrupt, "fromJSON(%q)", corrupt)
	}
}

// compact returns data, without white space if it is a JSON object.
func compact(data []byte) string {
	var object bytes.Buffer
	if isObject(data) && json.Compact(&object, data) == nil && toJSON(data) == string(data) {
		return object.String()
	}
	return string(data)
}

func FuzzJSONData(f *testing.F) {
	for _, seed := range []string{`{}`, ` {"a":1}`, `"e30="`, "\x00", `{"a":"\u0000"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text := toJSON(data)
		if !json.Valid([]byte(text)) {
			t.Fatalf("toJSON(%q) = %q; want JSON", data, text)
		}
		got, err := fromJSON([]byte(text))
		if err != nil || string(got) != compact(data) {
			t.Fatalf("fromJSON(toJSON(%q)) = %q, %v", data, got, err)
		}
		_, _ = fromJSON(data) // must not panic
	})
}
