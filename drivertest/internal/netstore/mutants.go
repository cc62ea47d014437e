package netstore

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
)

// Mutant is a driver whose stores have one fault, and the check that has to find the fault. The zero
// value has no fault.
type Mutant struct {
	Kills  string // the name of the check that has to fail
	Fault  string
	Also   []string // checks of Network that may also fail, because they meet the same fault
	Races  bool     // the fault is a data race, which the race detector reports
	Faults Faults
}

// Target returns the target with which the suite tests the mutant.
func (m Mutant) Target() drivertest.Target {
	var mu sync.Mutex
	servers := map[string]*Server{} // by DSN
	start := func(t testing.TB) (s *Server, query string) {
		return Start(t), fmt.Sprint("?store=s", stores.Add(1))
	}
	return drivertest.Target{
		Driver: Driver{m.Faults},
		DSN: func(t testing.TB) string {
			s, query := start(t)
			mu.Lock()
			defer mu.Unlock()
			servers[s.Addr+query] = s
			return s.Addr + query
		},
		BadDSN: []string{"", "127.0.0.1", "127.0.0.1:1"},
		Proxy: func(t testing.TB) (string, func(string) string) {
			s, query := start(t)
			return s.Addr, func(addr string) string { return addr + query }
		},
		Restart: func(_ testing.TB, dsn string) {
			mu.Lock()
			s := servers[dsn]
			mu.Unlock()
			s.Restart()
		},
		Implements: drivertest.Toucher | drivertest.Pinger | drivertest.SubjectLister | drivertest.SubjectDestroyer |
			drivertest.RenameTracker,
	}
}

var stores atomic.Int64 // how many DSNs were made

// Mutants has one mutant for each check of Network.
var Mutants = []Mutant{
	{Kills: "Network/Refused", Fault: "returns ErrNotFound when the server refuses the connection",
		Also:   []string{"Network/Flapping", "Network/ListingFails", "Network/DeleteExpired", "Network/Ping"},
		Faults: replaces(errRefused, driver.ErrNotFound)},
	{Kills: "Network/Silent", Fault: "waits for an answer, whatever the context says",
		Also:   []string{"Network/Slow", "Network/Trickle", "Network/Cancelled", "Network/LeavesRecord"},
		Faults: Faults{NoContext: true}},
	{Kills: "Network/Slow", Fault: "takes the late answer to an abandoned call for the answer to the next",
		Also:   []string{"Network/Trickle", "Network/Flapping"},
		Faults: Faults{KeepsLate: true}},
	{Kills: "Network/Trickle", Fault: "limits the time of each read, not of the call",
		Also:   []string{"Network/Silent", "Network/Slow", "Network/Cancelled"}, // on a slow machine
		Faults: Faults{ReadTimeout: true}},
	{Kills: "Network/Reset", Fault: "returns ErrNotFound when the connection is reset",
		Also:   []string{"Network/Flapping", "Network/LostAnswer"},
		Faults: replaces(syscall.ECONNRESET, driver.ErrNotFound)},
	{Kills: "Network/Cut", Fault: "returns ErrNotFound when an answer is cut off",
		Also:   []string{"Network/CutAnywhere", "Network/Flapping", "Network/ListingFails"},
		Faults: replaces(io.ErrUnexpectedEOF, driver.ErrNotFound)},
	{Kills: "Network/CutAnywhere", Fault: "takes the part of an answer that it has read for all of it",
		Faults: Faults{TakesPart: true}},
	{Kills: "Network/Flapping", Fault: "does not connect any more when the server has refused a hundred connections",
		Faults: Faults{GivesUp: true}},
	{Kills: "Network/Cancelled", Fault: "looks at the deadline of a context, and not at its end",
		Faults: Faults{NoCancel: true}},
	{Kills: "Network/LeavesRecord", Fault: "sets the version of a record after the call has returned", Races: true,
		Faults: Faults{LateVersion: true}},
	{Kills: "Network/LostAnswer", Fault: "repeats Create, and returns ErrExists because of its own record",
		Faults: Faults{Repeats: "Create"}},
	{Kills: "Network/ListingFails", Fault: "ends a listing without an error when a later page fails",
		Faults: Faults{EndsListing: true}},
	{Kills: "Network/Listings", Fault: "leaves a goroutine behind for a listing that is left by break",
		Faults: Faults{LeaksListing: true}},
	{Kills: "Network/DeleteExpired", Fault: "returns nil when the server can't be reached",
		Faults: swallows("DeleteExpired")},
	{Kills: "Network/Ping", Fault: "does not ask again after a Ping that has succeeded",
		Also:   append(faultChecks(), "Network/Cancelled"),
		Faults: Faults{CachesPing: true}},
	{Kills: "Network/Restart", Fault: "does not load a script again that a restart has lost",
		Faults: Faults{KeepsScripts: true}},
}

// More has mutants with faults that released clients have had. They are tested with the check that
// has to find the fault, and with no other.
var More = slices.Concat([]Mutant{
	{Kills: "Network/Listings", Fault: "holds a connection for as long as a listing lasts",
		Faults: Faults{HoldsListing: true}},
	{Kills: "Network/Reset", Fault: "uses a connection again that is broken",
		Faults: Faults{KeepsBroken: true}},
	{Kills: "Network/LostAnswer", Fault: "repeats Flush, and returns ErrConflict because of its own write",
		Faults: Faults{Repeats: "Flush"}},
	{Kills: "Network/LostAnswer", Fault: "repeats ChangeID, and returns ErrNotFound because it has moved the record",
		Faults: Faults{Repeats: "ChangeID"}},
	{Kills: "Network/LostAnswer", Fault: "repeats Destroy, and returns ErrNotFound because it has ended the record",
		Faults: Faults{Repeats: "Destroy"}},
}, outages())

// faultChecks returns the checks that call every method of a server that can't be reached.
func faultChecks() []string {
	return []string{"Network/Refused", "Network/Silent", "Network/Slow", "Network/Trickle", "Network/Reset", "Network/Cut"}
}

// outages returns the mutants of each method that returns a wrong answer when the server can't be
// reached.
func outages() (list []Mutant) {
	for _, method := range []string{"Create", "Retrieve", "Flush", "ChangeID", "Destroy", "Sessions", "DeleteExpired", "Touch", "Ping",
		"SubjectSessions", "DestroySubject", "Renamed"} {
		list = append(list, Mutant{Kills: "Network/Refused", Fault: "returns ErrNotFound from " + method + " when the server can't be reached",
			Faults: Faults{Replaces: func(m string, err error) error {
				if m == method {
					return driver.ErrNotFound
				}
				return err
			}}})
		if method != "DeleteExpired" { // the mutant of Network/DeleteExpired
			list = append(list, Mutant{Kills: "Network/Refused", Fault: "returns nil from " + method + " when the server can't be reached",
				Faults: swallows(method)})
		}
	}
	return list
}

// replaces returns the fault of a store that returns answer in place of the error cause.
func replaces(cause, answer error) Faults {
	return Faults{Replaces: func(_ string, err error) error {
		if errors.Is(err, cause) {
			return answer
		}
		return err
	}}
}

// swallows returns the fault of a store whose method returns nil in place of an outage.
func swallows(method string) Faults {
	return Faults{Replaces: func(m string, err error) error {
		if m == method {
			return nil
		}
		return err
	}}
}
