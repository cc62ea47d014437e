package histories

import (
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gosession.dev/session/drivertest"
)

// programs runs programs, which make random calls one after another, and compares each result
// with the model's. All programs use one store, each with keys of its own.
type programs struct {
	*historian
	n      int       // how many programs were run
	report string    // of the last program that failed
	failed time.Time // when the first program failed
}

// shortening is the time in which rapid may look for a shorter program that fails.
const shortening = 5 * time.Second

// checkPrograms runs programs on one store until d is over, and a few in any case. rapid draws
// the programs, and shortens the first that fails.
func checkPrograms(t testing.TB, tgt drivertest.Target, d time.Duration) {
	const some = 5
	p := &programs{historian: newHistorian(t, tgt, d)}
	over := time.Now().Add(d)
	quiet := &quietTB{TB: t}
	for !quiet.Failed() && (p.n < some || time.Now().Before(over)) {
		returned := quiet.check(time.Until(over)+patience, func(rt *rapid.T) {
			steps := p.draw(rt)
			switch {
			case p.report != "" && (time.Since(p.failed) > shortening || rt.Output() != io.Discard):
				// rapid would now log the shortest program, and save it to try it first
				// next time. That is of no use, because results depend on the time of day.
				quiet.FailNow()
			case p.report == "" && p.n >= some && time.Now().After(over):
				return
			}
			if report := p.run(steps); report != "" {
				p.found(report)
				rt.Fatal("contradicts the contract")
			}
		})
		if !returned {
			t.Fatal("a call of a program has not returned; want each to return")
		}
	}
	switch {
	case p.report != "":
		t.Fatal(p.report)
	case quiet.Failed():
		t.Fatalf("programs: %s", quiet.text)
	}
	t.Logf("%d programs", p.n)
}

// found keeps the report of a program that has failed. After that, rapid runs only shorter
// programs.
func (p *programs) found(report string) {
	if p.report == "" {
		p.failed = time.Now()
	}
	p.report = report
}

// step is one call of a program. Which of its arguments are used depends on the verb.
type step struct {
	verb    verb
	store   int  // the handle that makes the call
	key, to int  // indexes of programKeys
	soon    bool // the record expires before long
	stale   bool // the write is over the version that was read first, not last
	again   bool // a Flush stores what was read last
	subject int
}

const (
	doWait  verb = "wait"          // until all records that expire soon have expired
	doSweep verb = "DeleteExpired" // which must change nothing
)

var programKeys = []string{"a", "b", "c"}

// verbs returns the verbs that the store has. rapid prefers the first ones when it shortens a
// program.
func (p *programs) verbs() []verb {
	verbs := []verb{doCreate, doRetrieve, doFlush, doChangeID, doDestroy, doFlush, doRetrieve, doSweep}
	if p.can(drivertest.Toucher) {
		verbs = append(verbs, doTouch)
	}
	if p.can(drivertest.SubjectLister) || p.canList() {
		verbs = append(verbs, doList)
	}
	if p.can(drivertest.SubjectDestroyer) {
		verbs = append(verbs, doDestroySubject)
	}
	if p.can(drivertest.RenameTracker) {
		verbs = append(verbs, doRenamed)
	}
	if p.soon() < 100*time.Millisecond {
		verbs = append(verbs, doWait)
	}
	return verbs
}

func (p *programs) draw(rt *rapid.T) []step {
	verbs, keys := p.verbs(), rapid.IntRange(0, len(programKeys)-1)
	one := rapid.Custom(func(rt *rapid.T) step {
		return step{
			verb:    rapid.SampledFrom(verbs).Draw(rt, "verb"),
			store:   rapid.IntRange(0, 1).Draw(rt, "store"),
			key:     keys.Draw(rt, "key"),
			to:      keys.Draw(rt, "to"),
			soon:    rapid.IntRange(0, 4).Draw(rt, "soon") == 4,
			stale:   rapid.IntRange(0, 3).Draw(rt, "stale") == 3,
			again:   rapid.IntRange(0, 3).Draw(rt, "again") == 3,
			subject: rapid.IntRange(0, 3).Draw(rt, "subject"),
		}
	})
	return rapid.SliceOfN(one, 1, 25).Draw(rt, "program")
}
