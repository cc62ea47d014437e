// Package meta encodes and decodes the metadata of a session: its handle, label and timeouts,
// the times of its start, sign-in and last use, and what a process needs to decode its values
// and to resolve a write without an answer. A record stores the metadata apart from the values,
// so that clearing them keeps it. Encoded metadata is under 1 KB, as package driver promises to
// stores, provided that the label and the name of the codec keep their limits. Metadata that
// can't be decoded is [driver.ErrCorrupt].
package meta

import (
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/values"
	"gosession.dev/session/internal/writenumber"
)

// The greatest lengths of texts in metadata, in bytes.
const (
	MaxLabel     = 200
	MaxCodecName = 16
)

// Meta is the metadata of a session. Times are in whole milliseconds.
type Meta struct {
	Handle   Handle
	Start    time.Time     // when Lifetime began
	SignedIn time.Time     // when the user last signed in; zero without a subject
	Seen     time.Time     // when a write last moved the expiry
	Idle     time.Duration // the idle timeout in force at Seen
	Sent     time.Time     // when the cookie was last sent; zero if the session can't outlive the cookie
	Own      *Timeouts     // set by Session.SetTimeouts; nil if the session follows Config
	Label    string
	Codec    string       // the name of the codec of the values
	Index    values.Index // the index of the values; zero if there is none
	Writes   writenumber.Last
}

// Timeouts has the same fields as session.Timeouts, which documents them.
type Timeouts struct {
	Idle       time.Duration
	Lifetime   time.Duration
	Persistent bool
}

// LastSeen returns when the session was last used, given the expiry of its record. A store's
// Touch moves the expiry but not Seen, so the later of Seen and expires minus Idle counts.
func (m Meta) LastSeen(expires time.Time) time.Time {
	if touched := expires.Add(-m.Idle); touched.After(m.Seen) {
		return touched
	}
	return m.Seen
}

// Parse returns the metadata of a record, or an error that matches [driver.ErrCorrupt]. A record
// of release 0.1 has neither a handle nor a time of sign-in: it gets a handle that is derived
// from its key, the same in all processes, and its start as the time of the sign-in.
func Parse(rec *driver.Record) (Meta, error) {
	m, err := decode(rec.Meta)
	if err != nil || m.Handle != (Handle{}) {
		return m, err
	}
	m.Handle = handleOf(rec.Key)
	if rec.Subject != "" {
		m.SignedIn = m.Start
	}
	return m, nil
}
