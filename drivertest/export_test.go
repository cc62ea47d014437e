package drivertest

import "testing"

// Check is a check for the tests outside of this package, which have the stores with faults.
type Check struct {
	Name, Rule, Given string
	Needs             Interfaces
	Run               func(testing.TB, Target)
}

// Checks returns all checks.
func Checks() []Check {
	var list []Check
	for _, c := range checks {
		list = append(list, Check{c.name, c.rule, c.given, c.needs, c.run})
	}
	return list
}

// Validate fails the test if tgt is not valid.
func Validate(t testing.TB, tgt Target) { tgt.validate(t) }
