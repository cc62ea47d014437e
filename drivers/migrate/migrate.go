// Package migrate changes the backend of a fleet, without signing anybody out and
// without a break. Its driver is two others as one: sessions are looked for in the
// new one first and in the old one then, and move when they are written.
//
// Importing the package registers the driver "migrate". Its DSN is
//
//	new=mongo:mongodb://host/app&old=sqlite:file:sessions.db&stage=move
//
// where new and old each name a driver, which has to be imported too, and after a
// colon its DSN. In these a "&" is written %26, and a "%" is written %25. The stage is
// prepare or move.
//
// A fleet changes in four steps, each of which is rolled out to all of its processes
// before the next begins:
//
//  1. stage=prepare: sessions begin and stay in the old backend, and are found in the
//     new one.
//  2. stage=move: they begin in the new one, and move to it when they are written.
//  3. [session.Copy], or sessionctl copy, moves the rest. It can be interrupted and
//     run again.
//  4. the new driver alone.
//
// No update is lost meanwhile, and nothing that has ended comes back: the old store's
// record is frozen before there is one in the new, and what ends leaves a grave, an
// empty record that holds the key for as long as the session might have lived, and for
// an hour at least. Copy removes those in the old store. What the new store can't hold
// stays in the old one, and in use. Reading costs up to three
// reads, writing one read more. Neither backend may be drivers/cookie, whose sessions
// are with the clients.
//
// The pair keeps marks of renamed sessions if both backends do ([driver.RenameTracker]);
// a mark is in the backend where the session was. It can lose what either backend can
// lose ([driver.Lossy]).
package migrate

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/move"
)

func init() { session.Register("migrate", Driver{}) }

// Driver opens pairs of stores by DSN; see the comment of the package.
type Driver struct{}

// Open implements [driver.Driver]. All methods of the store are safe for concurrent
// use.
func (Driver) Open(dsn string) (driver.Store, error) {
	p, err := parse(dsn)
	if err != nil {
		return nil, err
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

// New returns two stores as one, at stage=move, for [session.Config.New]. Closing it
// closes both.
func New(to, from driver.Store) driver.Store { return move.New(to, from) }

// Prepare is New at stage=prepare.
func Prepare(to, from driver.Store) driver.Store { return move.Prepare(to, from) }

func parse(dsn string) (map[string]string, error) {
	p := map[string]string{}
	for pair := range strings.SplitSeq(dsn, "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		value, err := url.PathUnescape(escaped)
		switch {
		case name != "new" && name != "old" && name != "stage":
			return nil, errors.New("migrate: unknown DSN parameter; there are new, old and stage. A & within a DSN is written %26")
		case err != nil:
			return nil, fmt.Errorf("migrate: the value of DSN parameter %q is malformed; write %%25 for a percent sign", name)
		case p[name] != "":
			return nil, fmt.Errorf("migrate: DSN parameter %q is given more than once", name)
		}
		p[name] = value
	}
	if stage := p["stage"]; stage != "prepare" && stage != "move" {
		return nil, errors.New("migrate: DSN parameter stage must be prepare or move; see the comment of the package")
	}
	return p, nil
}

// open opens the store that a part of the DSN names.
func open(which, value string) (driver.Store, error) {
	name, dsn, found := strings.Cut(value, ":")
	if !found || name == "migrate" {
		return nil, fmt.Errorf("migrate: DSN parameter %q must be a driver, a colon and its DSN, as in sqlite:file:sessions.db", which)
	}
	store, err := session.OpenStore(name, dsn)
	if err != nil {
		return nil, fmt.Errorf("migrate: %s: %w", which, err)
	}
	if _, clientSide := store.(driver.ClientSide); clientSide {
		return nil, errors.Join(fmt.Errorf("migrate: %s: sessions that are with the clients can't be moved", which), store.Close())
	}
	return store, nil
}
