package driver

import (
	"fmt"
	"log/slog"
	"time"
)

// A Record is what a store keeps under a key. Package session fills it; to a store all
// fields but Key, Expires, Subject and Version are opaque.
//
// A Record is a plain value without synchronization: a store uses it only during the call
// that it is passed to.
type Record struct {
	// Key is the key under which the record is stored.
	Key string

	// Data holds the user's values, encoded, and sealed if the application has
	// configured secrets. Nil and empty are the same.
	Data []byte

	// Meta holds data of package session itself, under 1 KB. Nil and empty are the same.
	Meta []byte

	// Created is when the session began, in UTC and whole milliseconds. A store must
	// return it unchanged.
	Created time.Time

	// Expires is when the record becomes absent, in UTC and whole milliseconds, up to the
	// end of the year 9999. A store must return it unchanged.
	Expires time.Time

	// Subject identifies the user that the session belongs to, or is empty. A store
	// compares it byte by byte.
	Subject string

	// Version identifies one state of the record under a key. Only the store sets it, in
	// Create, Flush, ChangeID and Retrieve; to its callers it is opaque. A store must not
	// use one version for two states of a key, not even if the record was destroyed and
	// created again in between. A version that is drawn at random must have 60 random bits
	// or more, and a version must not be a time: two processes may read the same time. A
	// store whose backend does not report the version after a write sets 0, which means
	// unknown: package session then retrieves the record before it flushes.
	Version uint64
}

// Format writes what may be logged of a record, whatever the verb: the key, the size of
// the data and the expiry. It never writes the data, the subject, or the token that a
// [ClientSide] store has put in place of the key.
func (r Record) Format(f fmt.State, _ rune) {
	key := r.Key
	if len(key) > maxKey {
		key = "(token)"
	}
	fmt.Fprintf(f, "driver.Record{Key:%q, %d bytes, Expires:%s}", key, len(r.Data), r.Expires.Format(time.RFC3339))
}

// LogValue returns what Format writes, because a handler that encodes JSON does not call
// Format.
func (r Record) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// maxKey is the length of the longest key. A longer text is a token.
const maxKey = 64
