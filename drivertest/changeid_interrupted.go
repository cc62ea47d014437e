package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gosession.dev/session/driver"
)

const changeIDOrder = "If the backend has no single step for this, the store orders its steps so that a process that dies between them " +
	"leaves the record usable under oldKey, and at most a copy under r.Key, whose ID no client knows."

// The context of ChangeID ends at some moment, as a process may die: also between two steps,
// if the store takes several.
func changeIDInterrupted(t *trial) {
	const rounds = 16
	s := t.open()
	records, moved, errs := t.records(rounds), make([]*driver.Record, rounds), make([]error, rounds)
	for i, limit := 0, 20*time.Microsecond; i < rounds; i, limit = i+1, limit*3/2 {
		r := records[i]
		r.Subject = fmt.Sprint("user:", i)
		s.create(r, nil)
		moved[i] = renamed(r, t.key())
		ctx, cancel := context.WithTimeout(t.ctx, limit)
		errs[i] = s.Store.ChangeID(ctx, r.Key, copyOf(moved[i]))
		cancel()
	}
	time.Sleep(briefly) // until the server has received all that was sent to it
	for i, r := range records {
		if errs[i] != nil { // other checks look at calls that succeed
			s.judgeInterrupted(r, moved[i], errs[i])
		}
	}
}

// judgeInterrupted checks that the record is found under one of its keys, and that
// DestroySubject ends it under both.
func (h *handle) judgeInterrupted(r, moved *driver.Record, err error) {
	t := h.t
	t.Helper()
	call := fmt.Sprintf("ChangeID(%q, %q), whose context ended, = %s", r.Key, moved.Key, text(err))
	_, oldErr := h.Store.Retrieve(t.ctx, r.Key)
	_, newErr := h.Store.Retrieve(t.ctx, moved.Key)
	switch {
	case oldErr != nil && newErr != nil:
		t.Fatalf("%s, then Retrieve finds neither key; want one of them", call)
	case t.tgt.Implements&RenameTracker == 0:
	case oldErr == nil:
		h.unmarked(r.Key)
		h.listsNot(moved.Key, moved.Subject)
	default:
		h.marked(r.Key, moved.Key)
	}
	if t.tgt.Implements&SubjectDestroyer != 0 {
		h.destroySubject(r.Subject)
		h.lacks(r.Key, moved.Key)
	}
}

// listsNot checks that no listing yields key, whose record belongs to subject.
func (h *handle) listsNot(key, subject string) {
	h.t.Helper()
	for _, l := range h.t.lists(h, subject) {
		keys, err := collect(l().seq)
		h.t.expect(err, nil, "%s", l().call)
		if slices.Contains(keys, key) {
			h.t.Fatalf("%s yields %q, a pending copy; want its old key only", l().call, key)
		}
	}
}

// canList reports whether the backend can list.
func (t *trial) canList(s *handle) bool {
	_, err := collect(s.sessions().seq)
	return !errors.Is(err, errors.ErrUnsupported)
}

// lists returns all listings that yield the records of subject.
func (t *trial) lists(s *handle, subject string) (lists []func() listing) {
	if t.canList(s) {
		lists = append(lists, s.sessions)
	}
	if t.tgt.Implements&SubjectLister != 0 {
		lists = append(lists, func() listing { return s.subjectSessions(subject) })
	}
	return lists
}
