package drivertest

import (
	"runtime/debug"
	"testing"
)

// check is a rule of the contract, and the calls that show whether a store keeps it.
type check struct {
	name   string     // the method or the subject, a slash, and the rule in short
	in     string     // the declaration in package driver whose comment has the rule
	rule   string     // a sentence of that comment, printed if fn fails
	needs  Interfaces // interfaces without which the check is skipped
	given  string     // the field of Target without which the check is skipped
	server bool       // skipped for a ClientSide, where a record may have several copies
	waits  bool       // for records to expire; several such checks run at once
	fn     func(*trial)
}

// waiting returns c as a check that waits.
func waiting(c check) check {
	c.waits = true
	return c
}

// run makes the calls of the check on a new and empty store of tgt.
func (c check) run(t testing.TB, tgt Target) {
	if reason, skipped := tgt.Skip[c.name]; skipped {
		t.Skip(reason)
	}
	if missing := c.needs &^ tgt.Implements; missing != 0 {
		t.Skipf("Target.Implements has no %v", missing)
	}
	if c.server && tgt.Implements&ClientSide != 0 {
		t.Skip("the store keeps records with the client")
	}
	if !tgt.gives(c.given) {
		t.Skipf("Target.%s is not set", c.given)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		if t.Failed() {
			t.Logf("%s says: %s", c.in, c.rule)
		}
	}()
	c.fn(newTrial(t, tgt, c))
}
