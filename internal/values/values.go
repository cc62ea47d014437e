// Package values holds the values of a session as encoded bytes. A [Codec] encodes each value
// by itself. A [List] holds the encoded values under their names, and [Join] and [Split] convert
// it to and from the data of a record, with the help of an [Index] if the data is large. A value
// is decoded only when it is read, so a request does not pay for values that it does not use.
// The format of the data is fixed, because stores keep it. No error shows a value.
package values

import (
	"bytes"
	"slices"
	"sort"
)

// A List holds encoded values in the order of their names, each name once. Set and Delete
// preserve this. A copy made by [slices.Clone] is independent of the original.
type List []Value

// A Value is an encoded value and its name. Both may share memory with the data that they were
// split from, so callers must not write to them.
type Value struct{ Name, Data []byte }

// Get returns the encoded value under name, and false if there is none.
func (vs List) Get(name string) ([]byte, bool) {
	i, found := vs.find(name)
	if !found {
		return nil, false
	}
	return vs[i].Data, true
}

// Set stores the encoded value under name and replaces the previous one, if any. The list keeps
// data without a copy.
func (vs *List) Set(name string, data []byte) {
	i, found := vs.find(name)
	if !found {
		*vs = slices.Insert(*vs, i, Value{Name: []byte(name)})
	}
	(*vs)[i].Data = data
}

// Delete removes the value under name, if there is one.
func (vs *List) Delete(name string) {
	if i, found := vs.find(name); found {
		*vs = slices.Delete(*vs, i, i+1)
	}
}

func (vs List) find(name string) (int, bool) {
	return sort.Find(len(vs), func(i int) int {
		switch have := vs[i].Name; { // the conversions below copy nothing
		case name < string(have):
			return -1
		case name > string(have):
			return 1
		}
		return 0
	})
}

// normalized returns values in any order as a List. If several have the same name, it keeps the
// last of them, as encoding/json does.
func (vs List) normalized() List {
	byName := func(a, b Value) int { return bytes.Compare(a.Name, b.Name) }
	ascends := true
	for i := 1; i < len(vs) && ascends; i++ {
		ascends = byName(vs[i-1], vs[i]) < 0
	}
	if ascends { // the usual case: Join writes them in this order
		return vs
	}
	slices.SortStableFunc(vs, byName)
	last := vs[:0]
	for i, v := range vs {
		if i+1 == len(vs) || byName(v, vs[i+1]) != 0 {
			last = append(last, v)
		}
	}
	return last
}
