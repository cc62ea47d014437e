package drivertest

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"time"

	"gosession.dev/session/driver"
)

// now returns the time of day as records have it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// newRecord returns a record in which no field is empty.
func newRecord(key string) *driver.Record {
	return &driver.Record{
		Key:     key,
		Data:    []byte(`{"of":"` + key + `"}`),
		Meta:    []byte{1, 0xff, 0},
		Created: now().Add(-time.Minute),
		Expires: now().Add(time.Hour),
		Subject: "user:42",
	}
}

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

// withData returns a copy of r with other data.
func withData(r *driver.Record, data string) *driver.Record {
	c := copyOf(r)
	c.Data = []byte(data)
	return c
}

// difference describes the first of the named fields in which got differs from want. It
// returns "" if there is none.
func difference(got, want *driver.Record, fields ...string) string {
	for _, f := range fields {
		g, w := field(got, f), field(want, f)
		if g != w {
			return fmt.Sprintf(".%s = %s; want %s", f, g, w)
		}
	}
	return ""
}

// allFields are the fields that a store keeps.
var allFields = []string{"Key", "Data", "Meta", "Created", "Expires", "Subject", "Version"}

// field returns the value of a field as text. Different values have different texts.
func field(r *driver.Record, name string) string {
	switch name {
	case "Key":
		return fmt.Sprintf("%q", r.Key)
	case "Data":
		return bytesText(r.Data)
	case "Meta":
		return bytesText(r.Meta)
	case "Created":
		return r.Created.Format(time.RFC3339Nano)
	case "Expires":
		return r.Expires.Format(time.RFC3339Nano)
	case "Subject":
		return fmt.Sprintf("%q", r.Subject)
	case "Version":
		return fmt.Sprint(r.Version)
	}
	panic("drivertest: no field " + name)
}

func bytesText(b []byte) string {
	const shown = 64
	if len(b) <= shown {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%q... (%d bytes, CRC %08x)", b[:shown], len(b), crc32.ChecksumIEEE(b))
}
