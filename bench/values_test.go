package bench

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// values are the values of a session: some small ones, and a cart whose length makes up the size.
type values map[string]any

type item struct {
	SKU, Name string
	Price     int
	Count     int
}

// counter is the value that is read and changed.
const counter = "n"

func init() { gob.Register([]item{}) } // for libraries that encode values by gob

// newValues returns values whose JSON has about size bytes.
func newValues(size int) values {
	v := values{
		counter:  1,
		"user":   "42",
		"name":   "Ada Lovelace",
		"locale": "en-GB",
		"csrf":   "Zk3tqV0yXo5rBf1nWc8d",
	}
	var cart []item
	for len(encoded(v)) < size {
		cart = append(cart, item{SKU: fmt.Sprintf("SKU-%06d", len(cart)), Name: "A thing of beauty", Price: 1995, Count: 1})
		v["cart"] = cart
	}
	return v
}

func (v values) keys() []string { return slices.Sorted(maps.Keys(v)) }

func encoded(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
