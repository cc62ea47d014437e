package drivertest

import (
	"cmp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gosession.dev/session/driver"
)

// Target is a driver under test, and what the suite has to know about it. DSN is required, and
// either Driver or Open. Checks that need another field are skipped if it is not set.
type Target struct {
	// Driver is the driver under test.
	Driver driver.Driver

	// Open opens a store that has no driver, because applications make it with their own
	// client or their own dialect of package sqlstore. It is set in place of Driver. Its DSNs
	// are names that the test chooses, and no check looks at how they are parsed.
	Open func(dsn string) (driver.Store, error)

	// DSN returns the DSN of a new and empty store, another one in each call. Run makes one
	// such call at a time. A check may open one DSN several times, and must then see the same
	// records. DSN registers with t.Cleanup what has to be removed afterwards. No error of the
	// driver may contain a value or a name of 8 or more characters from the DSN: if it names a
	// table "sessions", no error may mention that table.
	DSN func(t testing.TB) string

	// BadDSN lists DSNs that Open must refuse. The suite always adds DSNs with an unknown
	// parameter and with a NUL, which it makes from the result of DSN.
	BadDSN []string

	// DeadDSN returns the DSN of a server that accepts connections and never answers. It
	// is for drivers that use a network.
	DeadDSN func(t testing.TB) string

	// DownDSN returns the DSN of a store whose backend is not there yet, and a function
	// that brings the backend up: it starts a server, or makes a directory.
	DownDSN func(t testing.TB) (dsn string, up func())

	// Proxy returns the address of the server behind a new and empty store, such as
	// "127.0.0.1:6379", and a function that returns the DSN of this store for a client that
	// reaches the server at another address. There the suite starts a proxy that refuses,
	// delays, cuts and resets connections (package netfault).
	Proxy func(t testing.TB) (server string, dsn func(addr string) string)

	// Restart stops the server behind the store of dsn, and starts it again at the same
	// address. Whether the server keeps the records does not matter.
	Restart func(t testing.TB, dsn string)

	// ReadOnlyDSN returns the DSN of a store whose backend can be read but refuses writes:
	// a file without write permission, a user without rights.
	ReadOnlyDSN func(t testing.TB) string

	// Neighbours returns the DSNs of two new and empty stores of one backend, in places
	// whose names are as alike as they can be: the prefixes "app:" and "app2:", the tables
	// "x" and "x_marks". If a name may contain a wildcard character of the backend (*, ?, [,
	// %, _), Neighbours returns pairs of two kinds by turns. In pairs of the second kind, one
	// name matches the other as a pattern: the prefixes "a*:" and "ab:", the tables "a_c" and
	// "abc".
	Neighbours func(t testing.TB) (a, b string)

	// Corrupt has functions that replace the value under a key of the store of dsn by
	// garbage. The name in the map tells the kind of garbage: empty, cut off, of a wrong
	// type, of another format, or whatever else the backend can hold and the driver can't
	// read. A backend that keeps Go values has none.
	Corrupt map[string]func(t testing.TB, dsn, key string)

	// Implements are the optional interfaces that the stores implement, all of them and no
	// others. A driver fails if it loses an interface because a signature has changed, and
	// if it has an interface that is missing here. Lossy belongs here only if Loses returns
	// a sentence.
	Implements Interfaces

	// Resolution is the coarsest step of the clock that ends records: a record may be found
	// for that long after its Expires, and not at all after that. Zero is right for a store
	// that compares Expires with the time of day.
	Resolution time.Duration

	// PageSize is how many records the driver reads, or removes, in one step at most. Listings
	// and DestroySubject are tried with more. The default is 1000.
	PageSize int

	// Patience is how long after its context is done a call may return. The default is a
	// second. Raise it for a client library that needs longer, and say so in the driver's
	// package comment.
	Patience time.Duration

	// Count returns how many items the backend keeps for the store of dsn: rows of all tables,
	// keys of records, marks and indexes. The checks compare counts, to find what a store
	// leaves behind.
	Count func(t testing.TB, dsn string) int

	// Skip maps the names of checks that do not apply to the reasons. A name that no check
	// has is a failure, and so is an empty reason. For a backend that can't list, skip the
	// checks of Sessions, Expiry/Sessions and Keys/Listed.
	Skip map[string]string

	hung *atomic.Bool // set when a call has hung; nil outside Run
}

// hangs notes that a call has hung.
func (tgt Target) hangs() {
	if tgt.hung != nil {
		tgt.hung.Store(true)
	}
}

// gives reports whether an optional field is set. It returns true for an empty name, which
// stands for no field.
func (tgt Target) gives(field string) bool {
	switch field {
	case "":
		return true
	case "DeadDSN":
		return tgt.DeadDSN != nil
	case "Driver":
		return tgt.Open == nil
	case "Proxy":
		return tgt.Proxy != nil
	case "Restart":
		return tgt.Restart != nil
	case "Count":
		return tgt.Count != nil
	case "DownDSN":
		return tgt.DownDSN != nil
	case "ReadOnlyDSN":
		return tgt.ReadOnlyDSN != nil
	case "Neighbours":
		return tgt.Neighbours != nil
	case "Corrupt":
		return len(tgt.Corrupt) > 0
	}
	panic("drivertest: no field " + field)
}

// open opens a store by the driver, or without one.
func (tgt Target) open(dsn string) (driver.Store, error) {
	if tgt.Open != nil {
		return tgt.Open(dsn)
	}
	return tgt.Driver.Open(dsn)
}

// many is more records than the driver reads or removes in one step.
func (tgt Target) many() int { return cmp.Or(tgt.PageSize, 1000) + 100 }

// slack is how long after its context is done a call may return.
func (tgt Target) slack() time.Duration { return cmp.Or(tgt.Patience, time.Second) }

func (tgt Target) validate(t testing.TB) {
	t.Helper()
	if (tgt.Driver == nil) == (tgt.Open == nil) || tgt.DSN == nil {
		t.Fatal("Target.DSN is required, and either Target.Driver or Target.Open")
	}
	if tgt.Open != nil && len(tgt.BadDSN) > 0 {
		t.Error("Target.BadDSN is set, and Target.Open is too; want only one of them, because nothing checks which DSNs Open refuses")
	}
	if tgt.Resolution < 0 || tgt.Patience < 0 {
		t.Errorf("Target.Resolution = %v, Patience = %v; want neither below 0", tgt.Resolution, tgt.Patience)
	}
	if tgt.PageSize < 0 {
		t.Errorf("Target.PageSize = %d; want 0, for the default, or more", tgt.PageSize)
	}
	for name, reason := range tgt.Skip {
		if !slices.ContainsFunc(checks, func(c check) bool { return c.name == name }) {
			t.Errorf("Target.Skip names %q; want the name of a check", name)
		}
		if reason == "" {
			t.Errorf("Target.Skip[%q] is empty; want the reason", name)
		}
	}
}
