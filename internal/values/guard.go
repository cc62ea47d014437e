package values

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// Guard returns a codec that uses c safely. It copies the bytes that it passes to c and receives
// from it, reads the name of c once, and checks that a codec named "json" produces JSON. The
// codecs of this package are returned as they are.
func Guard(c Codec) Codec {
	switch c.(type) {
	case JSON, Gob:
		return c
	}
	return &guardedCodec{c, c.Name()}
}

// guardedCodec calls a codec of the application, which may keep the bytes that it is given,
// return them, or write to them.
type guardedCodec struct {
	codec Codec
	name  string
}

func (c *guardedCodec) Name() string { return c.name }

func (c *guardedCodec) Marshal(v any) ([]byte, error) {
	data, err := c.codec.Marshal(v)
	if err != nil {
		return nil, err
	}
	if c.name != JSONName {
		return bytes.Clone(data), nil
	}
	if !json.Valid(data) || !utf8.Valid(data) { // such data would break all values of the session
		return nil, errors.New("the codec named \"json\" has not produced JSON; give it another name")
	}
	return bytes.Clone(trimSpace(data)), nil
}

func (c *guardedCodec) Unmarshal(data []byte, v any) error {
	return c.codec.Unmarshal(bytes.Clone(data), v)
}
