package values

import (
	"bytes"
	"encoding/gob"
	"strings"

	"gosession.dev/session/internal/carry"
	"gosession.dev/session/internal/quiet"
)

// Gob encodes with package encoding/gob, and refuses values that gob would not carry whole.
type Gob struct{}

func (Gob) Name() string { return "gob" }

func (Gob) Marshal(v any) ([]byte, error) {
	if err := carry.Gob(v); err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(v); err != nil {
		return nil, cleanGobError(err)
	}
	return buf.Bytes(), nil
}

func (Gob) Unmarshal(data []byte, v any) error {
	return cleanGobError(gob.NewDecoder(bytes.NewReader(data)).Decode(v))
}

// cleanGobError returns an error of package gob unchanged. It hides the text of errors from
// methods such as GobDecode, which may quote data.
func cleanGobError(err error) error {
	if err == nil || strings.HasPrefix(err.Error(), "gob: ") {
		return err
	}
	return quiet.Error("encoding/gob failed; its error is not shown, because it may quote data", err)
}
