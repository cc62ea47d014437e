package sqlstore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"unicode/utf8"

	"gosession.dev/session/driver"
)

// A column of a JSON type holds the values of a session as the JSON object that the JSON codec
// makes of them. It holds all other data, such as the sealed data of a session, as a JSON string in
// Base64, which no SQL query can read.

// unstorable matches JSON that databases refuse in a column of JSON: the character NUL, halves of
// surrogate pairs, and large exponents. It may match other JSON too.
var unstorable = regexp.MustCompile(`\\u0000|\\u[dD][89a-fA-F]|[0-9][eE][+-]?[0-9]{4}`)

// toJSON returns data as JSON text.
func toJSON(data []byte) string {
	if isObject(data) && utf8.Valid(data) && json.Valid(data) && !unstorable.Match(data) {
		return string(data)
	}
	return `"` + base64.StdEncoding.EncodeToString(data) + `"`
}

// fromJSON returns the data of JSON text that toJSON has returned, without white space between
// tokens, which databases add. The database may have changed numbers and the order of members.
func fromJSON(text []byte) ([]byte, error) {
	if isObject(text) {
		var object bytes.Buffer
		object.Grow(len(text))
		if err := json.Compact(&object, text); err != nil {
			return nil, driver.ErrCorrupt
		}
		return object.Bytes(), nil
	}
	var encoded *string // nil for null
	if err := json.Unmarshal(text, &encoded); err != nil || encoded == nil {
		return nil, driver.ErrCorrupt
	}
	data, err := base64.StdEncoding.DecodeString(*encoded)
	if err != nil {
		return nil, driver.ErrCorrupt
	}
	return data, nil
}

// isObject reports whether JSON text is an object.
func isObject(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && text[0] == '{'
}
