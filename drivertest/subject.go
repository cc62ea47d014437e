package drivertest

import (
	"context"
	"iter"
	"strings"

	"gosession.dev/session/driver"
)

const subjectsOnly = "SubjectSessions is Store.Sessions for the live records of one subject, and must yield no others."

var subjectChecks = []check{
	{name: "SubjectSessions/OnlyOfSubject", in: "SubjectLister.SubjectSessions", rule: subjectsOnly,
		needs: SubjectLister, fn: subjectSessionsOnly},
	{name: "SubjectSessions/FollowsWrites", in: "SubjectLister.SubjectSessions", rule: subjectsOnly,
		needs: SubjectLister, fn: subjectSessionsFollow},
	{name: "SubjectSessions/ByteByByte", in: "Record.Subject", rule: "It is compared byte by byte.",
		needs: SubjectLister, fn: subjectSessionsByteByByte},
	{name: "SubjectSessions/ExactlyOnce", in: "Store.Sessions", rule: listsOnce,
		needs: SubjectLister, fn: subjectSessionsExactlyOnce},
	{name: "SubjectSessions/CallsInLoop", in: "package driver", rule: holdsNoLock,
		needs: SubjectLister, fn: subjectSessionsCallsInLoop},
	{name: "SubjectSessions/ContextInLoop", in: "package driver", rule: doneInLoop,
		needs: SubjectLister, fn: subjectSessionsContextInLoop},
	{name: "SubjectSessions/EarlyBreak", in: "package driver", rule: holdsNoLock,
		needs: SubjectLister, fn: subjectSessionsEarlyBreak},
}

// of returns a new record of a subject.
func (t *trial) of(subject string) *driver.Record {
	r := t.record()
	r.Subject = subject
	return r
}

func subjectSessionsOnly(t *trial) {
	s := t.open()
	phone, laptop, other, nobody := t.of("ann"), t.of("ann"), t.of("bob"), t.of("")
	for _, r := range []*driver.Record{phone, laptop, other, nobody} {
		s.create(r, nil)
	}
	t.yields(s.subjectSessions("ann"), phone, laptop)
	t.yields(s.subjectSessions("bob"), other)
	t.yields(s.subjectSessions("eve"))
}

func subjectSessionsFollow(t *trial) {
	s := t.open()
	r := t.of("")
	s.create(r, nil)
	r.Subject = "ann"
	s.flush(r, nil)
	t.yields(s.subjectSessions("ann"), r)

	moved := renamed(r, t.key())
	moved.Subject = "bob"
	s.changeID(r.Key, moved, nil)
	t.yields(s.subjectSessions("ann"))
	t.yields(s.subjectSessions("bob"), moved)

	s.destroy(moved.Key, nil)
	t.yields(s.subjectSessions("bob"))
}

// lookAlikes are subjects that something on the way to the disk may take for one
// another.
var lookAlikes = []string{
	"ann", "Ann", "ANN", "ann ", " ann", "ann\n", "an", "annn", "ann%", "a_n", "an*",
	"\u00e9", "e\u0301", "\u00e9 ", "\U0001f511", "1", "01", "1.0", "'", `"`, `\`, "$ne", "null",
	longSubject + "x", longSubject + "y",
}

var longSubject = strings.Repeat("\u00e9", 127) // 254 of 255 bytes

func subjectSessionsByteByByte(t *trial) {
	s := t.open()
	records := make([]*driver.Record, len(lookAlikes))
	for i, subject := range lookAlikes {
		records[i] = t.of(subject)
		s.create(records[i], nil)
	}
	for _, r := range records {
		t.yields(s.subjectSessions(r.Subject), r)
	}
}

func subjectSessionsExactlyOnce(t *trial) {
	s := t.open()
	t.yields(s.subjectSessions("user:42"), s.createMany(pages)...)
}

func subjectSessionsCallsInLoop(t *trial) {
	t.callsInLoop(func(s *handle) listing { return s.subjectSessions("user:42") })
}

func subjectSessionsEarlyBreak(t *trial) {
	t.breaksEarly(func(s *handle) listing { return s.subjectSessions("user:42") })
}

func subjectSessionsContextInLoop(t *trial) {
	t.endsWithContext(`SubjectSessions("user:42")`, func(ctx context.Context, s driver.Store) iter.Seq2[string, error] {
		return s.(driver.SubjectLister).SubjectSessions(ctx, "user:42")
	})
}
