package carry_test

//lint:file-ignore U1000 the fields are read by reflection

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

type (
	hidden struct{ n int }
	Half   struct{ A int }
	half   struct{ A, B int }
	mixed  struct {
		A int
		b int
	}
	leftOut struct {
		A  int
		b  int        `json:"-"`
		mu sync.Mutex `json:"-"`
		_  int
		no struct{}
	}
	onlyLeftOut struct {
		A int `json:"-"`
	}
	embedsHidden  struct{ hidden }
	embedsHalf    struct{ half }
	embedsPointer struct {
		*half
		C int
	}
	embedsTagged struct {
		half `json:"h"`
		C    int
	}
	embedsExported struct {
		*Half
		C int
	}
	embedsError struct {
		error
		A int
	}
	shadows struct {
		half
		A string
	}
	sameNameDeep struct {
		Half
		half
	}
	otherCase struct {
		A int `json:"a"`
		B int `json:"A"`
	}
	namedAsField struct {
		A int `json:"B"`
		B int
	}
	recursive struct {
		Next *recursive
		Name string
	}
	recursiveLossy struct {
		Next *recursiveLossy
		Odd  *hidden
	}
	recursiveMap   map[string]recursiveMap
	recursiveSlice []recursiveSlice
	embedsItself   struct {
		*embedsItself
		A int
	}
	generic[T any] struct{ V T }
	unusable       struct{ F func() }
	withError      struct{ Err error }
)

// pointed encodes itself, by methods with pointer receivers.
type pointed struct{ s string }

func (p *pointed) MarshalJSON() ([]byte, error)    { return json.Marshal(p.s) }
func (p *pointed) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &p.s) }

type pointedText struct{ S string }

func (p *pointedText) MarshalText() ([]byte, error)    { return []byte(p.S), nil }
func (p *pointedText) UnmarshalText(data []byte) error { p.S = string(data); return nil }

// role is an enumeration with a text.
type role int

func (r role) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "role %d", int(r)), nil }
func (r *role) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "role %d", (*int)(r))
	return err
}

// onlyWrites has no UnmarshalJSON.
type onlyWrites int

func (o onlyWrites) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint("number ", int(o))) }

// writesPlainly has no UnmarshalJSON, and needs none.
type writesPlainly struct{ A int }

func (p writesPlainly) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		A    int
		Kind string
	}{p.A, "plain"})
}

// onlyReads has no MarshalJSON.
type onlyReads struct{ A int }

func (o *onlyReads) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &o.A) }

// readsCarefully has no MarshalJSON, and needs none.
type readsCarefully struct{ A int }

func (o *readsCarefully) UnmarshalJSON(data []byte) error {
	type plain readsCarefully
	if err := json.Unmarshal(data, (*plain)(o)); err != nil || o.A < 0 {
		return errors.New("refused")
	}
	return nil
}

// embedsReader has the UnmarshalJSON of its embedded field.
type embedsReader struct {
	readsCarefully
	B int
}

// stamped has the methods of its embedded time.
type stamped struct {
	time.Time
	Note string
}

type embedsStamped struct{ stamped }

// optional embeds a time, and has methods of its own.
type optional struct {
	time.Time
	Valid bool
}

func (o optional) MarshalJSON() ([]byte, error) {
	if !o.Valid {
		return []byte("null"), nil
	}
	return o.Time.MarshalJSON()
}

func (o *optional) UnmarshalJSON(data []byte) error {
	if o.Valid = string(data) != "null"; !o.Valid {
		return nil
	}
	return o.Time.UnmarshalJSON(data)
}

// date has no field besides the time.
type date struct{ time.Time }

// folded is a key type of which several values have the same text.
type folded struct{ s string }

func (f folded) MarshalText() ([]byte, error)     { return []byte(strings.ToLower(f.s)), nil }
func (f *folded) UnmarshalText(text []byte) error { f.s = string(text); return nil }

// writtenKey can't be read back.
type writtenKey struct{ S string }

func (k writtenKey) MarshalText() ([]byte, error) { return []byte(k.S), nil }

// strict is a string that reads upper case only.
type strict string

func (s *strict) UnmarshalText(text []byte) error {
	*s = strict(strings.ToUpper(string(text)))
	return nil
}

// cents is an amount with the option "string" and a method.
type cents int

func (c cents) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%d", int(c)), nil }
func (c *cents) UnmarshalJSON(data []byte) error {
	_, err := fmt.Sscan(string(data), (*int)(c))
	return err
}

// dirty and dirtyText encode themselves as JSON and as text that is not UTF-8.
type dirty string

func (d dirty) MarshalJSON() ([]byte, error)     { return []byte(`"` + string(d) + `"`), nil }
func (d *dirty) UnmarshalJSON(data []byte) error { *d = dirty(data[1 : len(data)-1]); return nil }

type dirtyText struct{ S string }

func (d dirtyText) MarshalText() ([]byte, error)     { return []byte(d.S), nil }
func (d *dirtyText) UnmarshalText(text []byte) error { d.S = string(text); return nil }

// pair has methods for JSON and Gob, which a struct that embeds it gets.
type pair struct{ A int }

func (p pair) MarshalJSON() ([]byte, error)     { return json.Marshal(p.A) }
func (p *pair) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &p.A) }
func (p pair) MarshalBinary() ([]byte, error)   { return fmt.Append(nil, p.A), nil }
func (p *pair) UnmarshalBinary(data []byte) error {
	_, err := fmt.Sscan(string(data), &p.A)
	return err
}

// Code encodes itself and is not a struct.
type Code int

func (c Code) MarshalText() ([]byte, error) { return fmt.Append(nil, int(c)), nil }
func (c *Code) UnmarshalText(text []byte) error {
	_, err := fmt.Sscan(string(text), (*int)(c))
	return err
}
func (c Code) MarshalBinary() ([]byte, error) { return fmt.Append(nil, int(c)), nil }
func (c *Code) UnmarshalBinary(data []byte) error {
	_, err := fmt.Sscan(string(data), (*int)(c))
	return err
}

type (
	codec interface {
		json.Marshaler
		json.Unmarshaler
	}
	embedsPair struct {
		pair
		B int
	}
	embedsPairPointer struct {
		*pair
		B int
	}
	embedsTimePointer struct{ *time.Time }
	embedsCode        struct {
		Code
		B int
	}
	embedsCodec struct {
		codec
		B int
	}
	embedsLeavingOut struct {
		time.Time
		Note string `json:"-"`
		n    int    `json:"-"`
	}
	mixin    struct{}
	mixesInA struct {
		mixin
		A int
	}
	mixesInB struct {
		mixin
		B int
	}
	mixesIn struct {
		mixesInA
		mixesInB
	}
)

// writesJSON encodes itself as JSON and decodes itself from text; writesText does the reverse.
type writesJSON struct{ A int }

func (w writesJSON) MarshalJSON() ([]byte, error)     { return json.Marshal(w.A) }
func (w *writesJSON) UnmarshalText(text []byte) error { return json.Unmarshal(text, &w.A) }

type writesText string

func (w writesText) MarshalText() ([]byte, error)     { return []byte(w), nil }
func (w *writesText) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, (*string)(w)) }
