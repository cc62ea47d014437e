package drivertest

import (
	"strings"

	"gosession.dev/session/driver"
)

const guarantees = "Package session guarantees in return: keys have 1 to 64 characters of the URL-safe Base64 alphabet " +
	"(A-Z a-z 0-9 - _), and case matters; Meta is under 1 KB; Subject is valid UTF-8 of at most 255 bytes without NUL; " +
	"Created and Expires are in UTC and whole milliseconds, and Expires is in the future when a record reaches a store."

var keyChecks = []check{
	{name: "Keys/Odd", in: "package driver", rule: guarantees, fn: keysOdd},
	{name: "Keys/DifferByCase", in: "package driver", rule: guarantees, fn: keysDifferByCase},
	{name: "Keys/Listed", server: true, in: "package driver", rule: guarantees, fn: keysListed},
	{name: "Keys/Long", in: "package driver", rule: guarantees, fn: keysLong},
}

// oddKeys are keys that a client library or a backend may take for an option, a number, a
// special file, or for one another.
var oddKeys = []string{
	"-", "--", "---", "-rf", "--help", "_", "__", "_id", "-_-", "a-", "a", "a_", "a--",
	"0", "00", "000", "1", "01", "-1", "-0", "1e3", "1000", "0x10", "16", "inf", "NaN",
	"null", "nil", "true", "NUL", "CON", "aux", "lock", "tmp", "key", "sessions", "drop",
}

func keysOdd(t *trial) { t.keepsApart(oddKeys...) }

func keysDifferByCase(t *trial) {
	t.keepsApart("a", "A", "session", "Session", "SESSION", "dQw4w9WgXcQ", "DQW4W9WGXCQ", "dqw4w9wgxcq")
}

func keysLong(t *trial) {
	long := strings.Repeat("k", 63)
	t.keepsApart(long, long+"0", long+"1", long[:43], long[:32], "0"+long, "1"+long,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}

func keysListed(t *trial) {
	s := t.open()
	records := make([]*driver.Record, len(oddKeys))
	for i, key := range oddKeys {
		records[i] = newRecord(key)
		s.create(records[i], nil)
	}
	t.yields(s.sessions(), records...)
}

// keepsApart checks that each key has a record of its own, which Create, Retrieve, Flush and
// Destroy find.
func (t *trial) keepsApart(keys ...string) {
	t.Helper()
	s := t.open()
	records := make([]*driver.Record, len(keys))
	for i, key := range keys {
		records[i] = newRecord(key)
		s.create(records[i], nil)
	}
	for _, r := range records {
		s.holds(r)
		r.Data = []byte("flushed " + r.Key)
		s.flush(r, nil)
	}
	for _, r := range records {
		s.holds(r)
		s.destroy(r.Key, nil)
	}
}
