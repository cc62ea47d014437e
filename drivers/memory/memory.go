// Package memory keeps sessions in the memory of the process. Use it for tests, for development,
// and for a site of one process whose users may be signed out by a restart.
//
// Import the package, which registers the driver "memory":
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/memory"
//	)
//
//	func main() {
//		sessions, err := session.Open("memory", "?max_sessions=100000")
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer sessions.Close()
//		log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
//	}
//
// The DSN is a name and a parameter, both optional:
//
//	name?max_sessions=100000
//
//	name          Stores of one name in a process share their sessions until the last of
//	              them is closed. A store without a name shares its sessions with no other.
//	max_sessions  The store holds at most this many sessions. The default is no limit.
//
// A full store deletes expired sessions, and then refuses to create another: visitors without a
// session get an error, and existing sessions keep working. It does not evict sessions, because
// a client that opens them fast enough could then sign out all other users.
//
// # What the backend can't do
//
// Sessions end with the process, and other processes do not see them. The store declares this
// ([driver.Lossy]), so that drivers/cookie refuses it for revocations, which must survive a
// restart. The store has all other optional interfaces of package driver but ClientSide.
package memory

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func init() { session.Register("memory", Driver{}) }

// Driver opens memory stores by DSN; see the package comment.
type Driver struct{}

// Open returns a store for dsn. The error quotes no part of dsn. All methods of the store are safe
// for concurrent use.
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

// Options configure a store. The zero value sets no limit and uses [time.Now].
type Options struct {
	// MaxSessions is the maximum number of sessions; 0 means no limit.
	MaxSessions int

	// Now is the clock by which sessions expire; nil means [time.Now]. Tests set it together
	// with the Now of [session.Config].
	Now func() time.Time
}

// New returns a store that shares its sessions with no other, for [session.Config.New]. Its
// methods are safe for concurrent use.
func New(o Options) driver.Store {
	return &store{records: newRecords(o), release: func() {}}
}

func parse(dsn string) (name string, o Options, err error) {
	name, query, _ := strings.Cut(dsn, "?")
	if strings.Contains(name, "\x00") {
		return "", o, errors.New("memory: the name in the DSN contains a NUL byte; want name?max_sessions=N")
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return "", o, errors.New("memory: the DSN's parameters are malformed; want name?max_sessions=N")
	}
	for param, values := range params {
		if param != "max_sessions" {
			return "", o, errors.New("memory: unknown DSN parameter; there is only max_sessions")
		}
		o.MaxSessions, err = strconv.Atoi(values[0])
		if err != nil || o.MaxSessions < 1 || len(values) > 1 {
			return "", o, errors.New("memory: DSN parameter max_sessions must be one whole number greater than 0")
		}
	}
	return name, o, nil
}
