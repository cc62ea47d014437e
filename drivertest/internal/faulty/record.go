package faulty

import (
	"bytes"
	"iter"
	"time"

	"gosession.dev/session/driver"
)

// now returns the time of day as records have it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// copyOf returns a copy that shares nothing with r.
func copyOf(r *driver.Record) *driver.Record {
	c := *r
	c.Data = bytes.Clone(r.Data)
	c.Meta = bytes.Clone(r.Meta)
	return &c
}

// renamed returns a copy of r under another key.
func renamed(r *driver.Record, key string) *driver.Record {
	c := copyOf(r)
	c.Key = key
	return c
}

// sameContent reports whether a write of b over a changes nothing but the version.
func sameContent(a, b *driver.Record) bool {
	return bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Meta, b.Meta) && a.Subject == b.Subject && a.Expires.Equal(b.Expires)
}

// collect returns the keys that seq yields, up to its first error.
func collect(seq iter.Seq2[string, error]) ([]string, error) {
	var keys []string
	for key, err := range seq {
		if err != nil {
			return keys, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
