package drivertest

import (
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// programs makes random calls one after another, and compares each result with the
// model's. Programs share one store, and differ in their keys.
type programs struct {
	*historian
	n      int       // how many there were
	report string    // of the last that failed
	failed time.Time // when the first failed
}

// shortening is how long rapid may look for a shorter program that fails.
const shortening = 5 * time.Second

// checkPrograms runs programs on one store until d is over, and some in any case.
// rapid chooses them, and shortens the first that fails.
func checkPrograms(t testing.TB, tgt Target, d time.Duration) {
	const some = 5
	p := &programs{historian: newHistorian(t, tgt, d)}
	over := time.Now().Add(d)
	quiet := &quietTB{TB: t}
	for !quiet.Failed() && (p.n < some || time.Now().Before(over)) {
		returned := quiet.check(time.Until(over)+patience, func(rt *rapid.T) {
			steps := p.draw(rt)
			switch {
			case p.report != "" && (time.Since(p.failed) > shortening || rt.Output() != io.Discard):
				// It would log the shortest now, and keep it in a file to be tried
				// first next time: of no use for what depends on the time of day.
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
			t.Fatal("calls one after another do not return; want each to return")
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

// found keeps the report of a program that failed. rapid goes on with shorter ones only.
func (p *programs) found(report string) {
	if p.report == "" {
		p.failed = time.Now()
	}
	p.report = report
}

// step is one call of a program. Which of the arguments count depends on the verb.
type step struct {
	verb    verb
	store   int  // by which handle
	key, to int  // of programKeys
	soon    bool // the record expires before long
	stale   bool // the write is over what was seen first, and not last
	subject int
}

const (
	doWait  verb = "wait"          // until what expires soon has expired
	doSweep verb = "DeleteExpired" // which must change nothing
)

var programKeys = []string{"a", "b", "c"}

// verbs are those that the store has. Shorter programs have the first of them.
func (p *programs) verbs() []verb {
	verbs := []verb{doCreate, doRetrieve, doFlush, doChangeID, doDestroy, doFlush, doRetrieve, doSweep}
	if p.can(Toucher) {
		verbs = append(verbs, doTouch)
	}
	if p.can(SubjectLister) || p.canList() {
		verbs = append(verbs, doList)
	}
	if p.can(SubjectDestroyer) {
		verbs = append(verbs, doDestroySubject)
	}
	if p.can(RenameTracker) {
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
			subject: rapid.IntRange(0, 3).Draw(rt, "subject"),
		}
	})
	return rapid.SliceOfN(one, 1, 25).Draw(rt, "program")
}
