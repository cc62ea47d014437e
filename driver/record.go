package driver

import (
	"fmt"
	"time"
)

// A Record is what a store keeps under a key. Package session fills it; to a
// store all of it but Key, Expires, Subject and Version is opaque.
//
// A Record is a plain value without synchronization: a store reads it only
// during the call that it was given to.
type Record struct {
	// Key is where the record is stored.
	Key string

	// Data holds the user's values, encoded, and sealed if the application
	// says so. Nil and empty are the same.
	Data []byte

	// Meta is package session's own, under 1 KB. Nil and empty are the same.
	Meta []byte

	// Created is when the session began, in UTC and whole milliseconds. It must
	// come back equal.
	Created time.Time

	// Expires is when the record becomes absent, in UTC and whole
	// milliseconds. It must come back equal.
	Expires time.Time

	// Subject names the user that the session belongs to, or is empty. It is
	// compared byte by byte.
	Subject string

	// Version tells two states of one key apart. Only the store sets it, in
	// Create, Flush, ChangeID and Retrieve; to everyone else it is opaque. A
	// store must not use one version for two states of a key, not even if the
	// key was destroyed and created again in between. 0 means not known, for
	// backends that do not tell it after a write: package session then
	// retrieves the record before it flushes.
	Version uint64
}

// Format writes what may be logged of a record, whatever the verb: never its
// data, nor its subject, nor the token that a [ClientSide] has put in place of the
// key.
func (r Record) Format(f fmt.State, _ rune) {
	key := r.Key
	if len(key) > maxKey {
		key = "(token)"
	}
	fmt.Fprintf(f, "driver.Record{Key:%q, %d bytes, Expires:%s}", key, len(r.Data), r.Expires.Format(time.RFC3339))
}

// maxKey is how long a key is at most.
const maxKey = 64
