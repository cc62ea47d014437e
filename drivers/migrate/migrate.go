// Package migrate moves a site's sessions from one backend to another while the site runs. No
// user is signed out, and no update is lost. Its driver combines the two backends: it looks for
// a session in the new one first and then in the old one, and moves a session to the new one
// when a request writes it.
//
// Import the package, which registers the driver "migrate", and the drivers of both backends:
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/migrate"
//		_ "gosession.dev/session/drivers/mongo"
//		_ "gosession.dev/session/drivers/sqlite"
//	)
//
//	func main() {
//		sessions, err := session.Open("migrate", "stage=prepare&old=sqlite:file:sessions.db&new=mongo:mongodb://host/app")
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer sessions.Close()
//		log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
//	}
//
// The DSN has three parameters, all required:
//
//	new    the new backend: the name of its driver, a colon and its DSN
//	old    the old backend, in the same form
//	stage  prepare or move
//
// Within the DSNs of the backends, write %26 for "&" and %25 for "%". Over stores that the
// application has opened, use [Prepare] and [New].
//
// A migration takes four steps. Deploy each step to all processes before the next one:
//
//  1. stage=prepare: sessions begin and stay in the old backend. The driver also finds
//     sessions in the new one, where processes at the next step put them.
//  2. stage=move: sessions begin in the new backend. Sessions in the old one move when they
//     are written.
//  3. Call [Move], or run the command sessionctl move, to move the rest. It can be
//     interrupted and run again.
//  4. Open the new backend alone.
//
// To go back, complete step 3, exchange new and old, and begin at step 1.
//
// # What happens to a session
//
// The driver freezes the record in the old backend before it creates the one in the new
// backend, so no update is lost. An ended session leaves an empty record, which keeps a
// request in flight from bringing the session back. It stays for as long as the session could
// have lived, and at least an hour; Move removes the empty records in the old backend. A
// session that the new backend can't hold stays in the old one, and in use.
//
// A read takes up to three reads of the backends, and a write first reads the record.
//
// # What a pair can't do
//
// A pair supports an optional feature only if both backends do:
//
//   - Listing a user's sessions, and Config.MaxPerSubject, need two backends that list
//     ([driver.SubjectLister]). Otherwise Config.Open fails at step 1 rather than at step 4.
//   - Ending all sessions of a user needs two backends that can end or list them. The pair
//     ends them one by one. In a backend that can't list a user's sessions (memcache), it
//     reads every session to find them.
//   - Marks of renamed sessions ([driver.RenameTracker]) need two backends that keep marks.
//     A mark is in the backend where the session was.
//
// A pair can lose what either backend can lose ([driver.Lossy]). Ping checks both backends,
// and that they are different. Neither backend may be drivers/cookie, whose sessions are in
// the clients' cookies.
package migrate

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/move"
	"gosession.dev/session/internal/registry"
)

func init() { session.Register("migrate", Driver{}) }

// Driver opens pairs of stores by DSN; see the package comment.
type Driver struct{}

// Open implements [driver.Driver]. It opens both backends, and closing the store closes both.
// All methods of the store are safe for concurrent use.
func (Driver) Open(dsn string) (driver.Store, error) {
	p, err := parse(dsn)
	if err != nil {
		return nil, err
	}
	if isSame(p["new"], p["old"]) {
		return nil, errors.New("migrate: new and old are the same store; name two")
	}
	to, err := open("new", p["new"])
	if err != nil {
		return nil, err
	}
	from, err := open("old", p["old"])
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	if p["stage"] == "prepare" {
		return Prepare(to, from), nil
	}
	return New(to, from), nil
}

// New combines two stores at stage=move, for [session.Config.New]. Sessions begin in to, and move
// from from to to when they are written. Closing the returned store closes both. Its methods are
// safe for concurrent use.
func New(to, from driver.Store) driver.Store { return move.New(to, from) }

// Prepare combines two stores at stage=prepare, for [session.Config.New]. Sessions begin and stay in
// from, and the returned store also finds sessions in to. Closing it closes both. Its methods are
// safe for concurrent use.
func Prepare(to, from driver.Store) driver.Store { return move.Prepare(to, from) }

func parse(dsn string) (map[string]string, error) {
	if dsn == "" {
		return nil, errors.New("migrate: the DSN is empty; want new=DRIVER:DSN&old=DRIVER:DSN&stage=prepare")
	}
	p := map[string]string{}
	for pair := range strings.SplitSeq(dsn, "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		value, err := url.PathUnescape(escaped)
		switch {
		case name != "new" && name != "old" && name != "stage":
			return nil, errors.New("migrate: unknown DSN parameter; the parameters are new, old and stage. Write %26 for a & within a DSN")
		case err != nil:
			return nil, fmt.Errorf("migrate: the value of DSN parameter %q is malformed; write %%25 for a percent sign", name)
		case p[name] != "":
			return nil, fmt.Errorf("migrate: DSN parameter %q is given more than once", name)
		}
		p[name] = value
	}
	if stage := p["stage"]; stage != "prepare" && stage != "move" {
		return nil, errors.New("migrate: DSN parameter stage must be prepare or move; see the package comment")
	}
	return p, nil
}

// open opens the store that the DSN parameter which names by value.
func open(which, value string) (driver.Store, error) {
	name, dsn, found := strings.Cut(value, ":")
	if !found || name == "migrate" {
		return nil, fmt.Errorf("migrate: DSN parameter %q must be the name of a driver, a colon and its DSN, as in sqlite:file:sessions.db", which)
	}
	if !slices.Contains(session.Drivers(), name) {
		return nil, fmt.Errorf("migrate: DSN parameter %q must name a registered driver (forgotten import?); registered are: %s", which, strings.Join(session.Drivers(), ", "))
	}
	store, err := registry.Open(name, dsn)
	if err != nil {
		return nil, fmt.Errorf("migrate: %s: %w", which, err)
	}
	if _, clientSide := store.(driver.ClientSide); clientSide {
		return nil, errors.Join(fmt.Errorf("migrate: %s: the driver keeps sessions in the clients' cookies, and these can't be moved", which), store.Close())
	}
	return store, nil
}
