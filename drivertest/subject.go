package drivertest

import (
	"context"
	"iter"
	"strings"

	"gosession.dev/session/driver"
)

const subjectsOnly = "SubjectSessions lists the live records of one subject, by the rules of Store.Sessions, and must yield no other keys."

const byteByByte = "A store compares it byte by byte."

var subjectChecks = []check{
	{name: "SubjectSessions/OnlyOfSubject", in: "SubjectLister.SubjectSessions", rule: subjectsOnly,
		needs: SubjectLister, fn: subjectSessionsOnly},
	{name: "SubjectSessions/FollowsWrites", in: "SubjectLister.SubjectSessions", rule: subjectsOnly,
		needs: SubjectLister, fn: subjectSessionsFollow},
	{name: "SubjectSessions/ByteByByte", in: "Record.Subject", rule: byteByByte,
		needs: SubjectLister, fn: subjectSessionsByteByByte},
	{name: "SubjectSessions/ExactlyOnce", in: "Store.Sessions", rule: listsOnce,
		needs: SubjectLister, fn: subjectSessionsExactlyOnce},
	{name: "SubjectSessions/WhileOthersChange", in: "Store.Sessions", rule: listsOnce,
		needs: SubjectLister, fn: subjectSessionsWhileOthersChange},
	{name: "SubjectSessions/Extended", in: "Store.Sessions", rule: listsOnce,
		needs: SubjectLister, waits: true, fn: subjectSessionsExtended},
	{name: "SubjectSessions/NamedAsKey", in: "Record.Subject", rule: byteByByte,
		needs: SubjectLister, fn: subjectSessionsNamedAsKey},
	{name: "SubjectSessions/CallsInLoop", in: "package driver", rule: holdsNoLock,
		needs: SubjectLister, fn: subjectSessionsCallsInLoop},
	{name: "SubjectSessions/ManyOpen", in: "package driver", rule: holdsNoLock,
		needs: SubjectLister, fn: subjectSessionsManyOpen},
	{name: "SubjectSessions/ContextInLoop", in: "package driver", rule: doneInLoop,
		needs: SubjectLister, fn: subjectSessionsContextInLoop},
	{name: "SubjectSessions/EarlyBreak", in: "package driver", rule: holdsNoLock,
		needs: SubjectLister, fn: subjectSessionsEarlyBreak},
}

// of returns a new record that belongs to subject.
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

// lookAlikes are subjects that a client library or a backend may take for one another.
var lookAlikes = []string{
	"ann", "Ann", "ANN", "ann ", " ann", "ann\n", "an", "annn", "ann%", "a_n", "an*", "a?n",
	"ann\t", "ann\r\n", "ann\nbob", "ann:bob", "ann/bob", "ann|bob", "ann,bob", "ann;bob", "ann#bob", "ann\x01bob", "ann\x1fbob",
	"\u00e9", "e\u0301", "\u00e9 ", "\U0001f511", "1", "01", "1.0", "'", `"`, `\`, "$ne", "null",
	longSubject + "x", longSubject + "y",
}

var longSubject = strings.Repeat("\u00e9", 127) // 254 of 255 bytes

// createLookAlikes stores a record of each of these subjects.
func (h *handle) createLookAlikes() []*driver.Record {
	h.t.Helper()
	records := make([]*driver.Record, len(lookAlikes))
	for i, subject := range lookAlikes {
		records[i] = h.t.of(subject)
		h.create(records[i], nil)
	}
	return records
}

func subjectSessionsByteByByte(t *trial) {
	s := t.open()
	for _, r := range s.createLookAlikes() {
		t.yields(s.subjectSessions(r.Subject), r)
	}
}

func subjectSessionsExactlyOnce(t *trial) {
	s := t.open()
	t.yields(s.subjectSessions("user:42"), s.createMany(t.tgt.many())...)
}

func subjectSessionsCallsInLoop(t *trial) {
	t.callsInLoop(func(s *handle) listing { return s.subjectSessions("user:42") })
}

func subjectSessionsManyOpen(t *trial) {
	t.manyOpen(func(s *handle) listing { return s.subjectSessions("user:42") })
}

func subjectSessionsEarlyBreak(t *trial) {
	t.breaksEarly(func(s *handle) listing { return s.subjectSessions("user:42") })
}

func subjectSessionsContextInLoop(t *trial) {
	t.endsWithContext(`SubjectSessions("user:42")`, func(ctx context.Context, s driver.Store) iter.Seq2[string, error] {
		return s.(driver.SubjectLister).SubjectSessions(ctx, "user:42")
	})
}

func subjectSessionsWhileOthersChange(t *trial) {
	t.whileOthersChange(func(s *handle) listing { return s.subjectSessions("user:42") })
}

func subjectSessionsExtended(t *trial) {
	t.extendsListed(func(s *handle) listing { return s.subjectSessions("user:42") })
}

// Subjects and keys are different names, even if they are the same text: a backend that keeps
// records and indexes in one place has to tell them apart.
func subjectSessionsNamedAsKey(t *trial) {
	s := t.open()
	a := t.of("ann")
	b := t.of(a.Key)
	c := t.of(b.Key)
	records := []*driver.Record{a, b, c}
	for _, r := range records {
		s.create(r, nil)
	}
	for _, r := range records {
		s.holds(r, "Subject")
		t.yields(s.subjectSessions(r.Subject), r)
	}
	moved := renamed(a, t.key())
	s.changeID(a.Key, moved, nil)
	t.yields(s.subjectSessions(a.Key), b)
	s.destroy(b.Key, nil)
	t.yields(s.subjectSessions(b.Key), c)
	s.holds(moved)
	if s.canDestroySubjects() {
		s.destroySubject(moved.Key)
		s.destroySubject(b.Key)
		s.lacks(c.Key)
		s.holds(moved)
	}
}
