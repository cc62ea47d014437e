// Package carry detects values that encoding/json or encoding/gob would not carry whole: parts
// of them would be lost without an error, or could not be decoded again. Package session refuses
// such a value when it is stored, instead of returning less when it is read.
//
// Most cases are decided by the type, once per type. If all values of a type are carried whole,
// no value of it is examined, however large it is. Only parts whose type does not decide, such as
// interfaces, are examined in each value. Errors name types and fields, and show no data.
package carry

import (
	"reflect"
	"sync"
)

// node describes how one encoding treats a type.
type node struct {
	typ reflect.Type
	err error // if not nil, no value of the type is carried whole

	codesItself bool    // a method of the type encodes its values
	oneWay      bool    // the type has a method that encodes but none that decodes, or the reverse
	promoted    [][]int // indexes of embedded fields from which the type may have its methods
	keys        keyRule // of a map, in JSON
	pointers    bool    // in Gob: elements or fields are pointers, which may be nil or point to a zero value
	anyDepth    bool    // the method of the type may produce any number of levels
	elem        *node   // of a pointer, slice, array or map
	fields      []field // of a struct; of a map in Gob, the key

	// summarize sets these, for the type and all types that a value of it can contain:
	needsWalk bool // each value must be examined
	hasAny    bool // there is an interface without methods
	unbounded bool // the number of levels depends on the value
}

// field is an encoded field, of the struct itself or of an embedded one.
type field struct {
	index []int
	node  *node
}

// children calls visit for the types of the parts of a value of n.
func (n *node) children(visit func(*node)) {
	if n.elem != nil {
		visit(n.elem)
	}
	for _, f := range n.fields {
		visit(f.node)
	}
}

// isAny reports whether n is an interface without methods.
func (n *node) isAny() bool {
	return n.typ.Kind() == reflect.Interface && n.typ.NumMethod() == 0
}

// causesWalk reports whether n itself, apart from its parts, requires each value to be examined.
func (n *node) causesWalk() bool {
	return n.err != nil || n.oneWay || n.promoted != nil || n.keys != plainKeys || n.pointers || n.typ.Kind() == reflect.Interface
}

// summarize sets the fields of n that depend on the types of its parts.
func (n *node) summarize() {
	onPath, seen := map[*node]bool{}, map[*node]bool{}
	var visit func(*node)
	visit = func(at *node) {
		n.unbounded = n.unbounded || onPath[at] || at.isAny() || at.anyDepth
		if seen[at] {
			return
		}
		n.needsWalk, n.hasAny = n.needsWalk || at.causesWalk(), n.hasAny || at.isAny()
		seen[at], onPath[at] = true, true
		at.children(visit)
		delete(onPath, at)
	}
	visit(n)
}

// types holds the nodes of an encoding. A type may have two: an encoding may treat values that
// can be addressed differently.
type types struct {
	fill func(n *node, addressable bool)

	known sync.Map // reflect.Type to complete *node

	mu         sync.Mutex // guards the fields below
	built      map[typeKey]*node
	incomplete []*node // not summarized yet
}

type typeKey struct {
	t           reflect.Type
	addressable bool
}

// of returns the node of a type whose value can't be addressed.
func (ts *types) of(t reflect.Type) *node {
	if n, ok := ts.known.Load(t); ok {
		return n.(*node)
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	n := ts.get(t, false)
	for _, n := range ts.incomplete {
		n.summarize()
	}
	ts.incomplete = nil
	ts.known.Store(t, n)
	return n
}

// get returns the node of a type. For a recursive type it may return a node that is still being
// built.
func (ts *types) get(t reflect.Type, addressable bool) *node {
	key := typeKey{t, addressable}
	if n := ts.built[key]; n != nil {
		return n
	}
	if ts.built == nil {
		ts.built = map[typeKey]*node{}
	}
	n := &node{typ: t}
	ts.built[key], ts.incomplete = n, append(ts.incomplete, n)
	ts.fill(n, addressable)
	return n
}

// holdsNothing reports whether leaving a field out loses nothing.
func holdsNothing(f reflect.StructField) bool { return f.Name == "_" || f.Type.Size() == 0 }
