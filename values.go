package session

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// encodedValues are the values of a session as they are stored, in the order of
// their keys. They are decoded one by one, when they are asked for, so that what is not
// touched costs next to nothing.
type encodedValues []encodedValue

// encodedValue may share memory with the record that it came in. Neither slice is
// ever written to.
type encodedValue struct{ key, data []byte }

func (vs encodedValues) find(key string) (int, bool) {
	return slices.BinarySearchFunc(vs, key, func(v encodedValue, key string) int {
		return strings.Compare(string(v.key), key)
	})
}

func (vs encodedValues) get(key string) ([]byte, bool) {
	i, found := vs.find(key)
	if !found {
		return nil, false
	}
	return vs[i].data, true
}

func (vs *encodedValues) set(key string, data []byte) {
	i, found := vs.find(key)
	if !found {
		*vs = slices.Insert(*vs, i, encodedValue{key: []byte(key)})
	}
	(*vs)[i].data = data
}

func (vs *encodedValues) delete(key string) {
	if i, found := vs.find(key); found {
		*vs = slices.Delete(*vs, i, i+1)
	}
}

// normalized returns values that were read in whatever order: sorted and, of
// several under one key, the last.
func (vs encodedValues) normalized() encodedValues {
	byKey := func(a, b encodedValue) int { return bytes.Compare(a.key, b.key) }
	ascends := true
	for i := 1; i < len(vs) && ascends; i++ {
		ascends = byKey(vs[i-1], vs[i]) < 0
	}
	if ascends { // as they were written
		return vs
	}
	slices.SortStableFunc(vs, byKey)
	last := vs[:0]
	for i, v := range vs {
		if i+1 == len(vs) || byKey(v, vs[i+1]) != 0 {
			last = append(last, v)
		}
	}
	return last
}

// joinValues returns a record's data: the values in one piece. For JSON that is an
// object; for others, each key and each value behind its length.
func joinValues(c Codec, vs encodedValues) ([]byte, error) {
	size := len("{}")
	for _, v := range vs {
		size += len(v.key) + len(v.data) + 2*binary.MaxVarintLen32
	}
	b := make([]byte, 0, size)
	if c.Name() == jsonName {
		return joinJSON(b, vs)
	}
	for _, v := range vs {
		b = binary.AppendUvarint(b, uint64(len(v.key)))
		b = append(b, v.key...)
		b = binary.AppendUvarint(b, uint64(len(v.data)))
		b = append(b, v.data...)
	}
	return b, nil
}

func joinJSON(b []byte, vs encodedValues) ([]byte, error) {
	b = append(b, '{')
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = appendPlain(b, v.key); !ok {
			quoted, err := json.Marshal(string(v.key))
			if err != nil {
				return nil, err
			}
			b = append(b, quoted...)
		}
		b = append(append(b, ':'), v.data...)
	}
	return append(b, '}'), nil
}

// splitValues undoes joinValues. The values alias data. Their sizes need not be
// known.
func splitValues(c Codec, data []byte, sizes []int) (vs encodedValues, err error) {
	if c.Name() == jsonName {
		vs, err = splitJSON(data, sizes)
	} else {
		vs, err = splitPairs(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its data is no set of %s values", ErrCorrupt, c.Name())
	}
	return vs.normalized(), nil
}

func splitPairs(data []byte) (encodedValues, error) {
	rest := data
	cut := func() ([]byte, error) {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil, errors.New("cut off")
		}
		field := rest[n:][:size:size]
		rest = rest[n:][size:]
		return field, nil
	}
	var vs encodedValues
	for len(rest) > 0 {
		key, err := cut()
		if err != nil {
			return nil, err
		}
		value, err := cut()
		if err != nil {
			return nil, err
		}
		vs = append(vs, encodedValue{key, value})
	}
	return vs, nil
}
