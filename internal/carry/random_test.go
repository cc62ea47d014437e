package carry_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/carry"
)

// leaves are the types of which the types of random values are made.
var leaves = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int64](), reflect.TypeFor[uint64](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[[2]byte](),
	reflect.TypeFor[any](), reflect.TypeFor[error](), reflect.TypeFor[fmt.Stringer](), reflect.TypeFor[struct{}](), reflect.TypeFor[complex64](),
	reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.Number](), reflect.TypeFor[time.Duration](), reflect.TypeFor[netip.Addr](),
	reflect.TypeFor[big.Int](), reflect.TypeFor[func()](), reflect.TypeFor[hidden](), reflect.TypeFor[Half](), reflect.TypeFor[mixed](),
	reflect.TypeFor[onlyLeftOut](), reflect.TypeFor[embedsHidden](), reflect.TypeFor[embedsHalf](), reflect.TypeFor[embedsPointer](),
	reflect.TypeFor[embedsTagged](), reflect.TypeFor[embedsExported](), reflect.TypeFor[shadows](), reflect.TypeFor[sameNameDeep](),
	reflect.TypeFor[otherCase](), reflect.TypeFor[recursive](), reflect.TypeFor[pointed](), reflect.TypeFor[pointedText](), reflect.TypeFor[role](),
	reflect.TypeFor[onlyWrites](), reflect.TypeFor[writesPlainly](), reflect.TypeFor[onlyReads](), reflect.TypeFor[readsCarefully](),
	reflect.TypeFor[embedsReader](), reflect.TypeFor[cents](), reflect.TypeFor[strict](), reflect.TypeFor[folded](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[stamped](), reflect.TypeFor[embedsStamped](), reflect.TypeFor[optional](), reflect.TypeFor[date](),
	reflect.TypeFor[pair](), reflect.TypeFor[embedsPair](), reflect.TypeFor[embedsCode](),
	reflect.TypeFor[embedsLeavingOut](), reflect.TypeFor[mixesIn](), reflect.TypeFor[writesJSON](),
	reflect.TypeFor[writesText](), reflect.TypeFor[embedsItself](),
}

var tags = []reflect.StructTag{"", "", "", `json:"x"`, `json:"X"`, `json:",string"`, `json:"A"`, `json:"é"`, `json:"a\\b"`, `json:"-,"`, `json:",omitzero"`}

func randomType(r *rand.Rand, depth int) reflect.Type {
	if depth == 0 {
		return leaves[r.IntN(len(leaves))]
	}
	inner := func() reflect.Type { return randomType(r, r.IntN(depth)) }
	switch r.IntN(6) {
	case 0:
		return reflect.PointerTo(inner())
	case 1:
		return reflect.SliceOf(inner())
	case 2:
		return reflect.ArrayOf(r.IntN(3), inner())
	case 3:
		if key := inner(); key.Comparable() {
			return reflect.MapOf(key, inner())
		}
		return reflect.MapOf(reflect.TypeFor[string](), inner())
	}
	var fields []reflect.StructField
	for i := range r.IntN(4) {
		fields = append(fields, reflect.StructField{Name: string(rune('A' + i)), Type: inner(), Tag: tags[r.IntN(len(tags))]})
	}
	return reflect.StructOf(fields)
}

var texts = []string{"", "a", "A", "\xff", "\\ufffd", "\ufffd", "<&>\u2028\x00", "12345678901234567890"}

// fill makes v a random value.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	if !v.CanSet() || r.IntN(8) == 0 || depth > 6 {
		return
	}
	switch v.Type() {
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte([]string{`1`, `"x"`, `{"a":[12345678901234567890]}`, "\"\xff\"", `null`, `[`}[r.IntN(6)]))
		return
	case reflect.TypeFor[json.Number]():
		v.SetString([]string{"1", "1.5", "12345678901234567890", "x"}[r.IntN(4)])
		return
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(r.IntN(2)), int64(r.IntN(2)))))
		return
	case reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{byte(r.IntN(2))})))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int64:
		v.SetInt([]int64{1, -1, math.MinInt64, 1<<53 + 1, 1 << 60}[r.IntN(5)])
	case reflect.Uint64, reflect.Uint8:
		v.SetUint([]uint64{1, math.MaxUint64, 1<<53 + 1}[r.IntN(3)])
	case reflect.Float32, reflect.Float64:
		v.SetFloat([]float64{1, -0.1, 1e20, 1.2345678901234567e20, math.SmallestNonzeroFloat64, math.NaN()}[r.IntN(6)])
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(r, key, depth+1)
			fill(r, elem, depth+1)
			if key.Comparable() && key.Equal(key) { // not NaN
				v.SetMapIndex(key, elem)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i), depth+1)
		}
	case reflect.Interface:
		inner := reflect.New(randomType(r, r.IntN(2))).Elem()
		fill(r, inner, depth+1)
		if inner.Type().Implements(v.Type()) {
			v.Set(inner)
		}
	}
}

// same reports whether b, which was read back, equals a. A pointer to nil may come back as nil, a
// nil RawMessage as null, and an empty Number as 0.
func same(a, b reflect.Value) bool {
	switch {
	case isNil(a) || isNil(b):
		return isNil(a) && isNil(b)
	case a.Type() == reflect.TypeFor[time.Time]():
		return a.Interface().(time.Time).Equal(b.Interface().(time.Time))
	case a.Type() == reflect.TypeFor[json.RawMessage]():
		var x, y bytes.Buffer
		return json.Compact(&x, a.Bytes()) == nil && json.Compact(&y, b.Bytes()) == nil && x.String() == y.String()
	case a.Type() == reflect.TypeFor[json.Number]() && a.Len() == 0:
		return b.Len() == 0 || b.String() == "0"
	}
	switch a.Kind() {
	case reflect.Pointer:
		return same(a.Elem(), b.Elem())
	case reflect.Interface:
		return sameInAny(a.Elem(), b.Elem())
	case reflect.Slice, reflect.Array:
		for i := range a.Len() {
			if a.Len() != b.Len() || !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return a.Len() == b.Len()
	case reflect.Map:
		for key, elem := range a.Seq2() {
			if got := b.MapIndex(key); !got.IsValid() || !same(elem, got) {
				return false
			}
		}
		return a.Len() == b.Len()
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type().Field(i).Tag.Get("json") != "-" && !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || isNil(v.Elem())
	case reflect.Map, reflect.Slice:
		return v.IsNil() || v.Type() == reflect.TypeFor[json.RawMessage]() && string(v.Bytes()) == "null"
	}
	return false
}

// sameInAny compares a value that was stored in an interface with the value that an interface
// reads. It compares numbers by value, not by text.
func sameInAny(a, b reflect.Value) bool {
	data, err := json.Marshal(a.Interface())
	var exact any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err != nil || d.Decode(&exact) != nil {
		return false
	}
	return sameNumbers(exact, b.Interface())
}

func sameNumbers(exact, got any) bool {
	switch exact := exact.(type) {
	case json.Number:
		var a, b big.Float
		_, _, err := a.SetPrec(200).Parse(exact.String(), 10)
		f, isFloat := got.(float64)
		return err == nil && isFloat && (a.Cmp(b.SetFloat64(f)) == 0 || !a.IsInt() || fmt.Sprint(f) == fmt.Sprint(mustFloat(exact)))
	case []any:
		list, ok := got.([]any)
		for i := range exact {
			if ok = ok && i < len(list) && sameNumbers(exact[i], list[i]); !ok {
				return false
			}
		}
		return ok && len(list) == len(exact)
	case map[string]any:
		m, ok := got.(map[string]any)
		for key, v := range exact {
			if ok = ok && sameNumbers(v, m[key]); !ok {
				return false
			}
		}
		return ok && len(m) == len(exact)
	}
	return exact == got
}

func mustFloat(n json.Number) float64 {
	f, _ := n.Float64()
	return f
}

// FuzzJSON encodes random values of random types: each is refused or comes back unchanged.
func FuzzJSON(f *testing.F) {
	for seed := range uint64(1000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		v := reflect.New(randomType(r, r.IntN(4))).Elem()
		fill(r, v, 0)
		data, err := marshal(v.Interface())
		if err != nil || v.Kind() == reflect.Interface {
			return
		}
		got := reflect.New(v.Type())
		require.NoError(t, json.Unmarshal(data, got.Interface()), "%v: %s", v.Type(), data)
		require.False(t, carry.Rounds(data, got.Interface()), "%v: %s", v.Type(), data)
		require.True(t, same(v, got.Elem()), "%v: %s of %#v", v.Type(), data, v)
	})
}

// FuzzGob does the same with Gob, which reads empty slices as nil, and pointers in interfaces as
// the type that was registered.
func FuzzGob(f *testing.F) {
	for seed := range uint64(1000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		v := reflect.New(randomType(r, r.IntN(4))).Elem()
		fill(r, v, 0)
		if carry.Gob(v.Interface()) != nil || v.Kind() == reflect.Interface {
			return
		}
		var buf bytes.Buffer
		if gob.NewEncoder(&buf).Encode(v.Interface()) != nil {
			return
		}
		got := reflect.New(v.Type())
		require.NoError(t, gob.NewDecoder(&buf).DecodeValue(got), "%v of %#v", v.Type(), v)
		require.True(t, sameInGob(v, got.Elem()), "%v: %#v of %#v", v.Type(), got, v)
	})
}

func sameInGob(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array:
		if a.Len() == 0 {
			return b.Len() == 0
		}
	case reflect.Interface, reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() && b.IsNil()
		}
		if a, b = a.Elem(), b.Elem(); a.Kind() == reflect.Pointer && b.Kind() != reflect.Pointer {
			a = reflect.Indirect(a) // gob reads a pointer in an interface as the value that it points to
		}
		return sameInGob(a, b)
	case reflect.Struct:
		for i := range a.NumField() {
			if !sameInGob(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	switch a.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range a.Len() {
			if a.Len() != b.Len() || !sameInGob(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		for key, elem := range a.Seq2() {
			if got := b.MapIndex(key); !got.IsValid() || !sameInGob(elem, got) {
				return false
			}
		}
		return a.Len() == b.Len()
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}
