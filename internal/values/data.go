package values

import (
	"encoding/binary"
	"errors"
	"fmt"

	"gosession.dev/session/driver"
)

// Join returns the data of a record that holds the given values of the named codec. For
// [JSONName] the data is one JSON object. For other codecs it is, for each value, the length of
// its name, the name, the length of the encoded value, and the encoded value.
func Join(codec string, vs List) ([]byte, error) {
	size := len("{}")
	for _, v := range vs {
		size += len(v.Name) + len(v.Data) + 2*binary.MaxVarintLen32
	}
	b := make([]byte, 0, size)
	if codec == JSONName {
		return joinJSON(b, vs)
	}
	for _, v := range vs {
		b = binary.AppendUvarint(b, uint64(len(v.Name)))
		b = append(b, v.Name...)
		b = binary.AppendUvarint(b, uint64(len(v.Data)))
		b = append(b, v.Data...)
	}
	return b, nil
}

// Split returns the values in data that Join has made, or, for [JSONName], in a JSON object that
// another program has written. The values share memory with data. The index only saves time; an
// index that was made for other data is ignored. The error matches [driver.ErrCorrupt].
func Split(codec string, data []byte, x Index) (vs List, err error) {
	if codec == JSONName {
		if !x.isFor(data) {
			x = Index{}
		}
		vs, err = splitJSON(data, x)
	} else {
		vs, err = splitPairs(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its data can't be split into %s values", driver.ErrCorrupt, codec)
	}
	return vs.normalized(), nil
}

// splitPairs splits data that consists of names and values, each preceded by its length.
func splitPairs(data []byte) (List, error) {
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
	var vs List
	for len(rest) > 0 {
		name, err := cut()
		if err != nil {
			return nil, err
		}
		value, err := cut()
		if err != nil {
			return nil, err
		}
		vs = append(vs, Value{name, value})
	}
	return vs, nil
}
