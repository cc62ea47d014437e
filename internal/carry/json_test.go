package carry_test

import (
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"net"
	"net/http"
	"net/mail"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/carry"
)

// marshal encodes and checks v as the JSON codec does.
func marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err == nil {
		err = carry.JSON(v, data)
	}
	return data, err
}

func at[T any](v T) *T { return &v }

// sameName returns a struct in which two fields have the same JSON name, which go vet would
// report in source code.
func sameName() any {
	tag := reflect.StructTag(`json:"x"`)
	return reflect.New(reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: reflect.TypeFor[int](), Tag: tag}, {Name: "B", Type: reflect.TypeFor[int](), Tag: tag},
	})).Elem().Interface()
}

func nest(levels int) any {
	var v any = "x"
	for range levels {
		v = []any{v}
	}
	return v
}

func chain(length int) *recursive {
	var r *recursive
	for range length {
		r = &recursive{Next: r}
	}
	return r
}

// JSON refuses values that encoding/json would lose in part or could not decode again.
func TestJSONRefuses(t *testing.T) {
	odd := "a\xffb"
	for name, v := range map[string]any{
		"nothing exported":            hidden{1},
		"pointer":                     &hidden{1},
		"slice":                       []hidden{{1}},
		"array":                       [1]hidden{{1}},
		"map":                         map[string]hidden{"a": {1}},
		"deep":                        map[string][]*generic[any]{"a": {nil, {V: []any{nil, 1, &hidden{1}}}}},
		"generic":                     generic[hidden]{},
		"one not exported":            mixed{1, 2},
		"one not exported, zero":      mixed{1, 0},
		"only left out":               onlyLeftOut{1},
		"embeds nothing exported":     embedsHidden{},
		"embedded pointer":            embedsPointer{},
		"embedded interface":          embedsError{},
		"embedded interface, set":     embedsError{error: errors.New("x")},
		"hidden by another field":     shadows{},
		"two of one name":             sameName(),
		"two of one name, embedded":   sameNameDeep{},
		"embeds itself":               embedsItself{},
		"recursive":                   recursiveLossy{Next: &recursiveLossy{Odd: &hidden{}}},
		"error":                       errors.New("x"),
		"wrapped error":               fmt.Errorf("x: %w", errors.New("y")),
		"field of an interface":       withError{errors.New("x")},
		"mutex":                       &sync.Mutex{},
		"counter":                     &atomic.Int64{},
		"func":                        unusable{},
		"chan":                        make(chan int),
		"complex":                     1i,
		"NaN":                         []float64{math.NaN()},
		"pointer receiver":            pointed{"x"},
		"pointer receiver, field":     struct{ P pointed }{},
		"pointer receiver, map":       map[string]pointed{"a": {}},
		"pointer receiver, any":       []any{pointed{"x"}},
		"pointer receiver, array":     [1]pointed{{}},
		"pointer receiver, text":      pointedText{"x"},
		"pointer receiver, text, map": map[string]pointedText{"a": {"x"}},
		"big.Float":                   *big.NewFloat(1),
		"big.Int":                     *big.NewInt(1),
		"only written":                onlyWrites(1),
		"only written, deep":          map[string][]any{"a": {onlyWrites(1)}},
		"only read":                   onlyReads{1},
		"only read, promoted":         embedsReader{readsCarefully{1}, 2},
		"promoted":                    stamped{time.Now(), "x"},
		"promoted, deep":              []*embedsStamped{{stamped{time.Now(), "x"}}},
		"promoted, pointer":           &stamped{time.Now(), "x"},
		"promoted, not exported":      embedsPair{pair{1}, 2},
		"promoted, no struct":         []any{embedsCode{1, 2}},
		"promoted from a pointer":     embedsPairPointer{&pair{1}, 2},
		"promoted, pointer alone":     embedsTimePointer{at(time.Now())},
		"promoted from an interface":  embedsCodec{&pointed{"x"}, 2},
		"written as JSON, not read":   writesJSON{1},
		"option string": struct {
			C cents `json:",string"`
		}{},
		"option string, pointer": struct {
			C *cents `json:"c,omitempty,string"`
		}{},
		"not UTF-8":            odd,
		"not UTF-8, key":       map[string]int{odd: 1},
		"not UTF-8, two keys":  map[string]int{"\xff": 1, "\xfe": 2},
		"not UTF-8, deep":      []any{map[string][]string{"a": {odd}}},
		"not UTF-8, raw":       json.RawMessage(`"` + odd + `"`),
		"not UTF-8, raw, deep": map[string]json.RawMessage{"a": json.RawMessage(`{"` + odd + `":1}`)},
		"not UTF-8, method":    dirty(odd),
		"not UTF-8, text":      dirtyText{odd},
		"not UTF-8, text, any": []any{dirtyText{odd}},
		"not UTF-8, text, key": map[dirtyText]int{{odd}: 1},
		"not UTF-8, option string": struct {
			S string `json:",string"`
		}{odd},
		"surrogate":                "\xed\xa0\x80",
		"broken raw":               json.RawMessage(`{"a"`),
		"empty raw":                json.RawMessage{},
		"number that is none":      json.Number("x"),
		"10,001 levels":            nest(10_001),
		"10,001 levels of a map":   generic[any]{nest(10_000)},
		"10,001 levels, recursive": chain(10_002),
		"keys of one text":         map[folded]int{{"a"}: 1, {"A"}: 2},
		"keys only written":        map[writtenKey]int{{"a"}: 1},
		"keys promoted":            map[optional]int{},
		"keys by pointer, none":    map[*role]int{},
		"keys by pointer":          map[*role]int{at(role(1)): 1},
		"keys of an interface":     map[fmt.Stringer]int{time.Second: 1},
		"keys of any":              map[any]int{"a": 1},
		"keys of bool":             map[bool]int{true: 1},
		"keys read otherwise":      map[strict]int{"a": 1},
		"2^53 + 1 in any":          []any{int64(1<<53 + 1)},
		"-2^53 - 1 in any":         map[string]any{"a": -int64(1<<53 + 1)},
		"greatest in any":          struct{ V any }{uint64(math.MaxUint64)},
		"prints like a float":      []any{int64(1152921504606847000)},
		"in a struct in any":       []any{struct{ ID int64 }{1<<60 + 1}},
		"in a slice in any":        []any{[]uint64{1<<60 + 1}},
		"duration in any":          []any{time.Duration(1<<60 + 1)},
		"raw in any":               []any{json.RawMessage(`[1, 12345678901234567890]`)},
		"number in any":            map[string]any{"a": json.Number("12345678901234567890")},
		"big.Int in any":           []any{new(big.Int).Lsh(big.NewInt(3), 100).Add(big.NewInt(1), new(big.Int).Lsh(big.NewInt(3), 100))},
		"url with user":            &url.URL{User: url.UserPassword("a", "b")},
		"certificate pool":         x509.NewCertPool(),
		"strings.Builder":          &strings.Builder{},
		"slog.Record":              slog.Record{},
		"atomic pointer":           &atomic.Pointer[int]{},
		"sync.Map":                 &sync.Map{},
		"time.Location":            time.UTC,
	} {
		_, err := marshal(v)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), odd, name)
	}
}

// JSON accepts values that encoding/json decodes to what they were.
func TestJSONAccepts(t *testing.T) {
	for name, v := range map[string]any{
		"nil pointer":      (*hidden)(nil),
		"nil slice":        []hidden(nil),
		"no elements":      []hidden{},
		"nil elements":     map[string]*hidden{"a": nil},
		"left out":         &leftOut{A: 1},
		"empty struct":     struct{}{},
		"embeds":           embedsHalf{half{1, 2}},
		"embeds, tagged":   embedsTagged{half{1, 2}, 3},
		"embeds, exported": embedsExported{&Half{1}, 3},
		"embeds, nil":      embedsExported{nil, 3},
		"other case":       otherCase{1, 2},
		"named as a field": struct {
			A int `json:"B,omitempty"`
		}{1},
		"recursive":                 recursive{&recursive{nil, "b"}, "a"},
		"recursive, odd":            recursiveLossy{Next: &recursiveLossy{}},
		"recursive map":             recursiveMap{"a": {"b": nil}},
		"recursive slice":           recursiveSlice{{}, {{}, nil}},
		"generic":                   generic[[]string]{[]string{"x"}},
		"no error":                  withError{},
		"pointer receiver":          &pointed{"x"},
		"pointer receiver, slice":   []pointed{{"x"}},
		"pointer receiver, field":   &struct{ P pointed }{pointed{"x"}},
		"pointer receiver, map":     map[string]*pointedText{"a": {"x"}},
		"text":                      []role{1, 2},
		"text, key":                 map[role]string{1: "a", 2: "b"},
		"written, and read plainly": writesPlainly{1},
		"read carefully":            readsCarefully{1},
		"embeds a time":             date{time.Unix(1, 2).UTC()},
		"embeds, with own methods":  optional{time.Unix(1, 2).UTC(), true},
		"written as text, read":     writesText("a"),
		"embeds, rest left out":     embedsLeavingOut{time.Unix(1, 2).UTC(), "x", 1},
		"embeds nothing twice":      mixesIn{mixesInA{A: 1}, mixesInB{B: 2}},
		"text, option string": struct {
			S string `json:",string"`
		}{"a\"\\ufffd"},
		"option string": struct {
			N *int64 `json:",string"`
		}{at(int64(math.MinInt64))},
		"like garbled":       "\\ufffd \ufffd",
		"like garbled, deep": map[string]any{"\\ufffd": []any{"\ufffd"}},
		"like garbled, raw":  json.RawMessage(`"\ufffd"`),
		"10,000 levels":      nest(10_000),
		"many brackets":      strings.Repeat("[", 20_001),
		"int64":              int64(math.MinInt64),
		"uint64":             []uint64{math.MaxUint64},
		"field": struct {
			ID uint64
			V  any
		}{math.MaxUint64, "x"},
		"2^53 in any":        []any{float64(1 << 53)},
		"number":             json.Number("12345678901234567890"),
		"long floats in any": []any{1.2345678901234567e20, 1e20, 0.12345678901234567, math.Copysign(0, -1)},
		"digits in any":      []any{"12345678901234567890"},
		"time":               time.Unix(1, 2).UTC(),
		"duration":           time.Duration(math.MaxInt64),
		"big":                []*big.Int{big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 200)},
		"url":                url.URL{Scheme: "https", Host: "example.com", Path: "/a"},
		"values":             url.Values{"a": {"b", "c"}},
		"header":             http.Header{"A": {"b"}},
		"cookie":             http.Cookie{Name: "a", Value: "b"},
		"address":            netip.MustParseAddrPort("[::1]:80"),
		"IP":                 net.IPv4(1, 2, 3, 4),
		"network":            net.IPNet{IP: net.IPv4(1, 2, 3, 0), Mask: net.CIDRMask(24, 32)},
		"mail":               mail.Address{Name: "A", Address: "a@example.com"},
		"null":               sql.NullString{String: "a", Valid: true},
		"null of a type":     sql.Null[time.Time]{V: time.Unix(1, 0).UTC(), Valid: true},
		"level":              slog.LevelWarn,
		"bytes":              []byte{0xff},
		"array":              [3]byte{1, 2, 3},
		"month":              time.May,
	} {
		data, err := marshal(v)
		require.NoError(t, err, name)
		got := reflect.New(reflect.TypeOf(v))
		require.NoError(t, json.Unmarshal(data, got.Interface()), name)
		if name != "left out" && name != "embeds, rest left out" && name != "like garbled, raw" {
			require.Equal(t, v, got.Elem().Interface(), name)
		}
		require.False(t, carry.Rounds(data, got.Interface()), name)
	}
	data, err := marshal(regexp.MustCompile("a+"))
	require.NoError(t, err)
	require.Equal(t, `"a+"`, string(data))
	_, err = marshal(nil)
	require.NoError(t, err)
}

// Errors say what to do.
func TestJSONErrors(t *testing.T) {
	for want, v := range map[string]any{
		`JSON would silently lose the field b of a carry_test.mixed, which is not exported; export it, tag it json:"-"`: mixed{},
		`because two have the name "x"; give each a name of its own`:                                                    sameName(),
		`made by the MarshalJSON of *carry_test.pointed, because the method has a pointer receiver; store a pointer`:    pointed{},
		`because it has the methods of its embedded time.Time; give the field a name`:                                   stamped{time.Now(), "x"},
		`remove the option`: struct {
			C cents `json:",string"`
		}{},
	} {
		_, err := marshal(v)
		require.ErrorContains(t, err, want)
	}
}

// Rounds finds integers that were rounded because an interface reads numbers as float64.
func TestRounds(t *testing.T) {
	for text, want := range map[string]bool{
		`9007199254740993`: true, `9007199254740992`: false, `-9007199254740993`: true, `[[{"a":12345678901234567890}]]`: true,
		`"12345678901234567890"`: false, `1152921504606846976`: false, `123456789012345670000`: false,
		`0.1234567890123456789`: false, `1e300`: false, `{"12345678901234567890":1}`: false,
	} {
		var v any
		require.NoError(t, json.Unmarshal([]byte(text), &v))
		require.Equal(t, want, carry.Rounds([]byte(text), &v), text)
		wrapped := fmt.Appendf(nil, `{"V":[null,{"k":%s}],"ID":9007199254740993}`, text)
		var deep struct {
			V  []map[string]any
			ID int64
		}
		require.NoError(t, json.Unmarshal(wrapped, &deep))
		require.Equal(t, want, carry.Rounds(wrapped, &deep), text)
		var raw map[string]json.RawMessage
		require.False(t, carry.Rounds(wrapped, &raw), text)
	}
}

type row struct {
	ID    int64
	Name  string
	Tags  []string
	Price float64
	Sub   struct{ A, B, C int }
	At    *row
}

// A value of a type that is always carried whole is not examined: apart from a search in the
// encoded bytes, the cost does not grow with its size.
func TestJSONSkipsWholeTypes(t *testing.T) {
	rows := make([]row, 10_000)
	data, err := json.Marshal(rows)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(5, func() {
		if err := carry.JSON(rows, data); err != nil {
			t.Error(err)
		}
	})-1, "the one allocation converts rows to an interface")
}

// BenchmarkJSON compares the time of the check with that of the encoding, for 4 MB of a type with
// bounded depth, of a recursive type, and of a type with interfaces.
func BenchmarkJSON(b *testing.B) {
	type flat struct {
		ID   int64
		Name string
		Tags []string
	}
	type recursive struct {
		flat
		Next *recursive
	}
	type open struct {
		flat
		V any
	}
	f := flat{123456, "a name that is not short, and a text that is even longer", []string{"a", "b", "c"}}
	for name, v := range map[string]any{
		"flat":      slices.Repeat([]flat{f}, 40_000),
		"recursive": slices.Repeat([]recursive{{flat: f}}, 40_000),
		"open":      slices.Repeat([]open{{f, "x"}}, 40_000),
	} {
		data, err := json.Marshal(v)
		require.NoError(b, err)
		b.Run(name+"/marshal", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				_, _ = json.Marshal(v)
			}
		})
		b.Run(name+"/check", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				_ = carry.JSON(v, data)
			}
		})
	}
}
