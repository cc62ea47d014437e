package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

var errOwn = errors.New("own")

// A talker has methods whose errors quote the data that they encode or decode.
type talker struct {
	Text string
	err  error // of encoding
}

func (t talker) MarshalText() ([]byte, error)   { return []byte(t.Text), t.err }
func (t talker) MarshalBinary() ([]byte, error) { return []byte(t.Text), t.err }

func (t *talker) UnmarshalText(b []byte) error { return t.UnmarshalBinary(b) }
func (t *talker) UnmarshalBinary(b []byte) error {
	if strings.Contains(string(b), "canary") {
		return fmt.Errorf("%w: %s", errOwn, b)
	}
	t.Text = string(b)
	return nil
}

// The UnmarshalJSON of typed returns the error that package json returns for a wrong type.
type typed struct{ Text string }

func (t typed) MarshalJSON() ([]byte, error) { return json.Marshal(t.Text) }
func (t *typed) UnmarshalJSON(b []byte) error {
	return errors.Join(errOwn, &json.UnmarshalTypeError{Value: string(b), Type: reflect.TypeFor[typed](), Field: string(b)})
}

// If a method of a value's type returns an error, the error of Set, Get or Update shows nothing of
// the value, and neither does any error that it wraps. errors.Is still finds the method's error.
func TestErrorsOfMethodsShowNoValue(t *testing.T) {
	for codec, name := range map[session.Codec]string{session.JSON: "text", session.Gob: "url"} {
		t.Run(codec.Name(), func(t *testing.T) {
			f := factory(t, session.Config{Codecs: []session.Codec{codec}}, newProbe())
			s := stored(t, f, map[string]any{"text": "canary", "url": &url.URL{Scheme: "x", Opaque: "canary"}})
			quiet := func(err error, own bool) {
				t.Helper()
				require.Error(t, err)
				require.Equal(t, own, errors.Is(err, errOwn))
				for e := err; e != nil; e = errors.Unwrap(e) {
					require.NotContains(t, e.Error(), "canary", "%T", e)
					require.NotContains(t, fmt.Sprintf("%+v", e), "canary", "%T", e)
				}
			}
			quiet(s.Set("x", talker{"canary", fmt.Errorf("%w: canary", errOwn)}), true)
			quiet(s.Set("x", []talker{{"canary", io.EOF}}), false)
			quiet(session.Update(s, "x", func(talker) talker { return talker{"canary", fmt.Errorf("%w: canary", errOwn)} }), true)
			_, err := session.Get[talker](s, name)
			quiet(err, true)
			_, err = session.Take[talker](t.Context(), s, name)
			quiet(err, true)
			_, err = session.Get[url.URL](s, "text")
			quiet(err, false)
			if codec == session.JSON {
				_, err = session.Get[typed](s, "text")
				quiet(err, true)
				_, err = session.Get[[]json.Number](s, "text")
				quiet(err, false)
			}
		})
	}
}
