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
	RenameTracker
	Lossy
)

var interfaceNames = []string{"Toucher", "Pinger", "SubjectLister", "SubjectDestroyer", "ClientSide", "RenameTracker", "Lossy"}

// String returns the names of the interfaces, joined as in Go source: "Toucher | Pinger".
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

const (
	saysWhatItCan = "A store shows what else its backend can do by implementing optional interfaces: " +
		"Toucher, Pinger, SubjectLister, SubjectDestroyer, ClientSide, RenameTracker, Lossy."
	saysHowItLoses = "The sentence must not be empty if the store, as it is configured, can lose them; " +
		"otherwise Loses returns \"\", which is the same as having no Loses."
)

var interfaceChecks = []check{
	{name: "Implements/All", in: "package driver", rule: saysWhatItCan, fn: implementsAll},
	{name: "Implements/NoMore", in: "package driver", rule: saysWhatItCan, fn: implementsNoMore},
	{name: "Lossy/Says", in: "Lossy.Loses", rule: saysHowItLoses, needs: Lossy, fn: lossySays},
}

func implementsAll(t *trial) {
	if lost := t.tgt.Implements &^ implementedBy(t.open().Store); lost != 0 {
		t.Errorf("the store does not implement %v; want it, because Target.Implements names it", lost)
	}
}

func implementsNoMore(t *trial) {
	s := t.open().Store
	extra := implementedBy(s) &^ t.tgt.Implements
	if lossy, ok := s.(driver.Lossy); ok && lossy.Loses() == "" {
		extra &^= Lossy
	}
	if extra != 0 {
		t.Errorf("the store implements %v; want it in Target.Implements, or nothing checks it", extra)
	}
}

func lossySays(t *trial) {
	if t.open().Store.(driver.Lossy).Loses() == "" {
		t.Error(`Loses() = ""; want a sentence, because Target.Implements names Lossy`)
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
	if _, ok := s.(driver.RenameTracker); ok {
		i |= RenameTracker
	}
	if _, ok := s.(driver.Lossy); ok {
		i |= Lossy
	}
	return i
}
