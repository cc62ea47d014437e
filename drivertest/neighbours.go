package drivertest

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"gosession.dev/session/driver"
)

const storesApart = "Stores whose DSNs name two places of one backend (two tables, collections or key prefixes) must share nothing, " +
	"even if the names are alike: no method of one store finds, lists, counts, changes or removes a record or a mark of the other."

var neighbourChecks = []check{
	{name: "Neighbours/Records", given: "Neighbours", in: "Driver.Open", rule: storesApart, fn: neighboursRecords},
	{name: "Neighbours/Listed", given: "Neighbours", server: true, in: "Driver.Open", rule: storesApart, fn: neighboursListed},
	{name: "Neighbours/Swept", given: "Neighbours", in: "Driver.Open", rule: storesApart, fn: neighboursSwept},
	{name: "Neighbours/DestroySubject", given: "Neighbours", in: "Driver.Open", rule: storesApart,
		needs: SubjectDestroyer, fn: neighboursDestroySubject},
	{name: "Neighbours/Marks", given: "Neighbours", in: "Driver.Open", rule: storesApart, needs: RenameTracker, fn: neighboursMarks},
}

// eachNeighbour calls f several times with two new stores, half of them in the other order.
// Target.Neighbours may return pairs of two kinds by turns, and each kind gets both orders.
func (t *trial) eachNeighbour(f func(s, other *handle)) {
	t.Helper()
	const kinds = 2
	for range kinds {
		f(t.openNeighbours())
	}
	for range kinds {
		other, s := t.openNeighbours()
		f(s, other)
	}
}

func (t *trial) openNeighbours() (a, b *handle) {
	t.Helper()
	first, second := t.tgt.Neighbours(t.TB)
	return t.openDSN(first), t.openDSN(second)
}

// Both stores have records under the same keys. Some keys look like the end of a table's name
// or of a prefix, or like the part by which one DSN is longer than the other.
func neighboursRecords(t *trial) {
	a, b := t.tgt.Neighbours(t.TB)
	more := moreOf(a, b)
	keys := []string{"same", "-x", more + "-x", "_marks", more + "_marks", "marks", "schema", "_schema", more + "same"}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	t.eachNeighbour(func(s, other *handle) {
		for _, key := range keys {
			theirs := withData(newRecord(key), "of the other store")
			other.create(theirs, nil)
			before := other.retrieve(key)
			s.lacks(key)
			s.flush(copyOf(before), driver.ErrNotFound)
			s.changeID(key, renamed(before, t.key()), driver.ErrNotFound)
			if t.tgt.Implements&Toucher != 0 {
				s.touch(key, before.Expires.Add(time.Hour), driver.ErrNotFound)
			}
			s.destroy(key, driver.ErrNotFound)
			r := newRecord(key)
			s.create(r, nil)
			s.flush(r, nil)
			moved := renamed(r, t.key())
			s.changeID(key, moved, nil)
			other.unchanged(before)
			other.lacks(moved.Key)
			s.destroy(moved.Key, nil)
			other.unchanged(before)
		}
	})
}

// moreOf returns the part by which one of two names is longer than the other. It drops
// characters that no key may have, and returns few enough to leave room for a word.
func moreOf(a, b string) string {
	if len(a) > len(b) {
		a, b = b, a
	}
	i, j := 0, 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	for j < len(a)-i && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	more := strings.Map(func(c rune) rune {
		if c == '-' || c == '_' || c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)) {
			return c
		}
		return -1
	}, b[i:len(b)-j])
	const most = 32
	return more[:min(len(more), most)]
}

func neighboursListed(t *trial) {
	t.eachNeighbour(func(s, other *handle) {
		mine, theirs := t.record(), t.record()
		s.create(mine, nil)
		other.create(theirs, nil)
		for _, l := range t.lists(s, mine.Subject) {
			t.yields(l(), mine)
		}
	})
}

// DeleteExpired does not count records that have expired in the other store. Whether the clock
// of that store has noticed their expiry does not matter.
func neighboursSwept(t *trial) {
	others := map[*handle]*handle{}
	live := t.record()
	t.eachNeighbour(func(s, other *handle) {
		others[s] = other
		other.create(copyOf(live), nil)
		brief := t.record()
		brief.Expires = now().Add(briefly)
		if err := other.Store.Create(t.ctx, brief); time.Now().Before(brief.Expires) {
			t.expect(err, nil, "Create(%q)", brief.Key)
		}
	})
	time.Sleep(briefly + margin)
	for s, other := range others {
		if n := s.deleteExpired(); n != 0 {
			t.Fatalf("DeleteExpired() = %d while records have expired only in another store; want 0", n)
		}
		other.holds(live)
	}
}

func neighboursDestroySubject(t *trial) {
	t.eachNeighbour(func(s, other *handle) {
		mine, theirs := t.record(), t.record()
		s.create(mine, nil)
		other.create(theirs, nil)
		s.destroySubject(mine.Subject)
		s.lacks(mine.Key)
		other.holds(theirs)
	})
}

func neighboursMarks(t *trial) {
	t.eachNeighbour(func(s, other *handle) {
		r := t.record()
		s.create(r, nil)
		moved := renamed(r, t.key())
		s.changeID(r.Key, moved, nil)
		s.marked(r.Key, moved.Key)
		other.unmarked(r.Key, moved.Key)
		other.create(newRecord(r.Key), nil)
		s.marked(r.Key, moved.Key)
	})
}
