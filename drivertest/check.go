package drivertest

import (
	"runtime/debug"
	"testing"
)

// check is one rule of the contract and the calls that show whether a store
// keeps it.
type check struct {
	name   string     // method or subject, slash, what is demanded
	in     string     // the declaration in package driver whose comment has rule
	rule   string     // a sentence of that comment, printed when fn fails
	needs  Interfaces // the check does not apply to stores without them
	dead   bool       // nor to targets without a DeadDSN
	server bool       // nor to a ClientSide, which has no one copy of a record
	fn     func(*trial)
}

// run makes the calls on a new and empty store of tgt.
func (c check) run(t testing.TB, tgt Target) {
	if reason, skipped := tgt.Skip[c.name]; skipped {
		t.Skip(reason)
	}
	if missing := c.needs &^ tgt.Implements; missing != 0 {
		t.Skipf("the target implements no %v", missing)
	}
	if c.server && tgt.Implements&ClientSide != 0 {
		t.Skip("the target keeps records with the client")
	}
	if c.dead && tgt.DeadDSN == nil {
		t.Skip("the target has no DeadDSN")
	}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		if t.Failed() {
			t.Logf("%s says: %s", c.in, c.rule)
		}
	}()
	c.fn(newTrial(t, tgt, c.needs))
}
