package drivertest

import (
	"strings"

	"gosession.dev/session/driver"
)

// Interfaces is a set of optional interfaces of package driver.
type Interfaces uint

// The optional interfaces.
const (
	Toucher Interfaces = 1 << iota
	Pinger
	SubjectLister
	SubjectDestroyer
	ClientSide
)

var interfaceNames = []string{"Toucher", "Pinger", "SubjectLister", "SubjectDestroyer", "ClientSide"}

// String returns the names, joined as in Go source.
func (i Interfaces) String() string {
	var names []string
	for bit, name := range interfaceNames {
		if i&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "0"
	}
	return strings.Join(names, " | ")
}

const saysWhatItCan = "What a backend can do beyond that it says by implementing an optional interface: " +
	"Toucher, Pinger, SubjectLister, SubjectDestroyer, ClientSide."

var interfaceChecks = []check{
	{name: "Implements/All", in: "package driver", rule: saysWhatItCan, fn: implementsAll},
	{name: "Implements/NoMore", in: "package driver", rule: saysWhatItCan, fn: implementsNoMore},
}

func implementsAll(t *trial) {
	if lost := t.tgt.Implements &^ implementedBy(t.open().Store); lost != 0 {
		t.Errorf("the store lacks %v; Target.Implements declares it", lost)
	}
}

func implementsNoMore(t *trial) {
	if extra := implementedBy(t.open().Store) &^ t.tgt.Implements; extra != 0 {
		t.Errorf("the store has %v; Target.Implements does not declare it, so nothing checks it", extra)
	}
}

func implementedBy(s driver.Store) (i Interfaces) {
	if _, ok := s.(driver.Toucher); ok {
		i |= Toucher
	}
	if _, ok := s.(driver.Pinger); ok {
		i |= Pinger
	}
	if _, ok := s.(driver.SubjectLister); ok {
		i |= SubjectLister
	}
	if _, ok := s.(driver.SubjectDestroyer); ok {
		i |= SubjectDestroyer
	}
	if _, ok := s.(driver.ClientSide); ok {
		i |= ClientSide
	}
	return i
}
