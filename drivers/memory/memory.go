// Package memory keeps sessions in the memory of the process. They end with it,
// and are shared with no other process: for tests, for development, and for an
// application of one process whose users may be signed out by a restart.
//
// Importing the package registers the driver "memory". Its DSN is
//
//	name?max_sessions=100000
//
// Both parts may be missing. All stores of one name in the process share their
// sessions, until the last of them is closed; a store without a name is alone.
//
// A store that holds max_sessions sessions and has deleted those that have
// expired refuses to create another. It does not evict one instead: then a client
// that opens sessions fast enough could sign out all others. Visitors without a
// session get an error, and existing sessions go on undisturbed. Without
// max_sessions there is no limit.
package memory

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func init() { session.Register("memory", Driver{}) }

// Driver opens memory stores by DSN; see the comment of the package.
type Driver struct{}

// Open returns a store for dsn. All methods of the store are safe for concurrent
// use.
func (Driver) Open(dsn string) (driver.Store, error) {
	name, o, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return New(o), nil
	}
	return openShared(name, o)
}

// Options are what a DSN can say beside the name, and a clock. The zero value is no
// limit, and the time of day.
type Options struct {
	// MaxSessions is how many sessions the store holds at most; 0 is no limit.
	MaxSessions int

	// Now is the clock by which sessions expire; nil is [time.Now]. It is for
	// tests, with the same of [session.Config].
	Now func() time.Time
}

// New returns a store that shares its sessions with no other, for
// [session.Config.New].
func New(o Options) driver.Store {
	return &store{records: newRecords(o), release: func() {}}
}

func parse(dsn string) (name string, o Options, err error) {
	name, query, _ := strings.Cut(dsn, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return "", o, errors.New("memory: the DSN's parameters are malformed; want name?max_sessions=N")
	}
	for param, values := range params {
		if param != "max_sessions" {
			return "", o, fmt.Errorf("memory: unknown DSN parameter %q; there is only max_sessions", param)
		}
		o.MaxSessions, err = strconv.Atoi(values[0])
		if err != nil || o.MaxSessions < 1 || len(values) > 1 {
			return "", o, errors.New("memory: DSN parameter max_sessions must be one whole number above 0")
		}
	}
	return name, o, nil
}
