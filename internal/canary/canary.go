// Package canary checks that a secret does not leak when a value or an error that holds it is
// printed, logged, encoded or put into a template. Tests hand it a value together with the
// secrets in it. It looks for each secret as text and in common encodings, with the value by
// itself and in larger values.
package canary

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"log"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"text/template"
)

// placed returns x by itself and inside of values of many shapes.
func placed[T any](x T) []any {
	type inner struct{ x T }
	type both struct {
		X T
		x T
	}
	return []any{
		x, &x, []T{x}, [1]T{x}, []*T{&x}, map[string]T{"k": x}, map[string]*T{"k": &x}, map[string][]T{"k": {x}},
		struct{ X T }{x}, struct{ X *T }{&x}, struct{ X any }{x}, struct{ X any }{&x}, struct{ X []T }{[]T{x}},
		inner{x}, &inner{x}, []inner{{x}}, map[int]inner{1: {x}}, struct{ inner }{inner{x}}, struct{ X any }{inner{x}}, struct{ X inner }{inner{x}},
		struct{ x *T }{&x}, struct{ x any }{x}, struct{ x any }{&x}, struct{ x []T }{[]T{x}}, struct{ x map[string]T }{map[string]T{"k": x}},
		struct{ x **T }{ptr(&x)}, struct{ x []*T }{[]*T{&x}}, struct{ x *inner }{&inner{x}}, struct{ x func() T }{func() T { return x }},
		both{x, x}, &both{x, x}, struct{ b any }{both{x, x}}, fmt.Errorf("%v %w", x, errors.New("cause")),
		reflect.ValueOf(x), context.WithValue(context.Background(), new(int), x), inChannel(x),
	}
}

func ptr[T any](x T) *T { return &x }

func inChannel[T any](x T) any {
	c := make(chan T, 1)
	c <- x
	return c
}

// Shown returns the secrets that appear when err, or an error that it wraps, is printed or
// logged. Upper and lower case are the same.
func Shown(err error, secrets ...string) (shown []string) {
	if err == nil {
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %+v %#v %q %x", err, err, err, err, err)
	slog.New(slog.NewJSONHandler(&b, nil)).Error("m", "error", err)
	text := strings.ToLower(b.String())
	for _, secret := range secrets {
		lower := strings.ToLower(secret)
		if strings.Contains(text, lower) || strings.Contains(text, hex.EncodeToString([]byte(lower))) {
			shown = append(shown, secret)
		}
	}
	for _, inner := range unwrapped(err) {
		shown = append(shown, Shown(inner, secrets...)...)
	}
	return shown
}

// unwrapped returns the errors that err wraps.
func unwrapped(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return []error{inner}
		}
	}
	return nil
}

var (
	text = template.Must(template.New("").Parse(`{{.}} {{printf "%v %+v %#v %s %q %x %d" . . . . . . .}} {{html .}} {{js .}} {{urlquery .}}`))
	html = htmltemplate.Must(htmltemplate.New("").Parse(`{{.}} <a title="{{.}}" href="/?q={{.}}"></a><script>x = {{.}}</script>`))
)

// written returns what each verb, encoder and template writes for v, by its name.
func written(v any) map[string]string {
	out := map[string]string{}
	for _, flags := range []string{"", "+", "#", "12.3"} {
		for verb := 'A'; verb <= 'z'; verb++ {
			format := "%" + flags + string(verb)
			out[format] = fmt.Sprintf(format, v)
		}
	}
	out["println"] = fmt.Sprintln(v)
	write := func(name string, do func(w io.Writer) error) {
		var b bytes.Buffer
		defer func() { out[name] = fmt.Sprintf("%s %v", b.String(), recover()) }() // templates panic for a reflect.Value
		if err := do(&b); err != nil {
			panic(err)
		}
	}
	write("log", func(w io.Writer) error { log.New(w, "", 0).Print(v); return nil })
	write("json", func(w io.Writer) error { return json.NewEncoder(w).Encode(v) })
	write("xml", func(w io.Writer) error { return xml.NewEncoder(w).Encode(v) })
	write("gob", func(w io.Writer) error { return gob.NewEncoder(w).Encode(v) })
	write("slog text", func(w io.Writer) error {
		slog.New(slog.NewTextHandler(w, nil)).With("a", v).WithGroup("g").Info("m", "v", v, slog.Group("h", "v", v))
		return nil
	})
	write("slog JSON", func(w io.Writer) error {
		slog.New(slog.NewJSONHandler(w, nil)).With("a", v).WithGroup("g").Info("m", "v", v, slog.Group("h", "v", v))
		return nil
	})
	write("text/template", func(w io.Writer) error { return text.Execute(w, v) })
	write("html/template", func(w io.Writer) error { return html.Execute(w, v) })
	return out
}

// forms returns the texts in which a secret can appear.
func forms(secret string) []string {
	decimal := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
	return []string{
		secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))), fmt.Sprintf("% x", secret),
		decimal, strings.ReplaceAll(decimal, " ", ","), strings.ReplaceAll(decimal, " ", ", "), fmt.Sprintf("%#v", []byte(secret)),
		base64.StdEncoding.EncodeToString([]byte(secret))[:len(secret)], base64.RawURLEncoding.EncodeToString([]byte(secret))[:len(secret)],
	}
}

// RequireHidden fails the test if a secret appears in the output of a verb, an encoder or a
// template for x, or for a larger value that contains x. Name stands for x in the failure.
func RequireHidden[T any](t testing.TB, name string, x T, secrets ...string) {
	t.Helper()
	var all []string
	for _, secret := range secrets {
		all = append(all, forms(secret)...)
	}
	for _, v := range placed(x) {
		for how, text := range written(v) {
			for _, form := range all {
				if strings.Contains(text, form) {
					t.Errorf("%s in %T by %s shows %q", name, v, how, form)
					break
				}
			}
		}
	}
}
