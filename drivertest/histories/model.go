package histories

import (
	"slices"
	"strings"
	"time"

	"gosession.dev/session/driver"
)

// model is the contract as a function: which results a call may have, and what is stored
// afterwards. It has no versions. Each write has a number, which is in the data that it stores.
// Whether a write is a conflict depends on the number that its caller has read, not on the
// version. So a store that uses a version twice, or compares no versions, contradicts the model.
// A Flush may store the content of an earlier write once more. Then the number stays and the
// version changes, so a later write over that number may be a conflict or not.
type model struct {
	late  time.Duration // how long after its expiry a record may be found
	marks bool          // ChangeID leaves a mark
}

// state is what is stored, in the order of keys. It is immutable.
type state []slot

// slot is what is stored under a key: a record, live or expired, or a mark.
type slot struct {
	key   string
	born  int    // the number of the write that created the record, under any key
	again bool   // a Flush has stored the content of an earlier write once more
	to    string // the key to which the mark leads; empty for a record
	image
}

// image is what can be seen of a record.
type image struct {
	write   int
	expires int64 // in Unix milliseconds
	subject string
}

// step reports whether o is possible in the state s, and returns the state that follows. A
// record that expires during a call may be found or absent. If a call does not find it, it is
// still in the next state, because a call that began earlier may find it.
func (m model) step(s state, o *op) (bool, state) {
	if o.given {
		return true, state{{key: o.target(), born: o.born, again: o.again > 0, image: o.image()}}
	}
	possible, next := m.effect(s, o)
	if o.pending && !possible {
		return true, s
	}
	return possible, next
}

func (m model) effect(s state, o *op) (bool, state) {
	old, stored := s.find(o.key)
	mark := stored && old.to != ""
	live, absent := stored && !mark && m.found(old, o), !stored || mark || expired(old, o)
	switch o.err {
	case driver.ErrNotFound:
		if o.verb == doRenamed {
			return !mark || s.ended(old.born, o), s
		}
		return absent && o.verb != doCreate && o.verb != doDestroySubject, s
	case driver.ErrExists:
		return m.exists(s, o), s
	case driver.ErrConflict:
		return live && o.writesOver() && (o.base != old.image || old.again), s
	}
	switch o.verb {
	case doCreate:
		return s.free(o.key, o), s.with(slot{key: o.key, born: o.write, image: o.image()})
	case doRetrieve:
		return live && o.saw == old.image, s
	case doFlush:
		return live && o.base.write == old.write, s.with(slot{key: o.key, born: old.born, again: o.again > 0, image: o.image()})
	case doChangeID:
		return live && s.free(o.newKey, o) && o.base.write == old.write, m.moved(s, old, o)
	case doRenamed:
		return mark && old.to == o.mark, s
	case doTouch:
		old.expires = o.expires
		return live, s.with(old)
	case doDestroy:
		return live, s.without(o.key)
	case doList:
		if o.subject != "" && stored && old.subject != o.subject {
			live, absent = false, true
		}
		return o.yielded && live || !o.yielded && absent, s
	case doDestroySubject:
		return true, s.withoutBorn(o)
	}
	panic("histories: no verb " + string(o.verb))
}

// found reports whether o may find the record in stored.
func (m model) found(stored slot, o *op) bool {
	return !o.from.After(time.UnixMilli(stored.expires).Add(m.late))
}

// expired reports whether the record in stored may be absent for o, because it expires.
func expired(stored slot, o *op) bool { return o.pending || o.to.UnixMilli() >= stored.expires }

// exists reports whether o may return ErrExists. ChangeID checks the old key first.
func (m model) exists(s state, o *op) bool {
	switch o.verb {
	case doCreate:
		return m.taken(s, o.key, o)
	case doChangeID:
		old, stored := s.find(o.key)
		current := stored && old.to == "" && m.found(old, o) && o.base.write == old.write
		return current && m.taken(s, o.newKey, o)
	}
	return false
}

// taken reports whether o may find a record or a mark under key.
func (m model) taken(s state, key string, o *op) bool {
	over, stored := s.find(key)
	return stored && (over.to != "" || m.found(over, o))
}

// moved returns the state after o, a ChangeID that has succeeded.
func (m model) moved(s state, old slot, o *op) state {
	s = s.without(o.key)
	if m.marks {
		s = s.with(slot{key: o.key, born: old.born, to: o.newKey})
	}
	return s.with(slot{key: o.newKey, born: old.born, image: o.image()})
}

// wanted returns the results that o might have had instead.
func (m model) wanted(s state, o *op, start time.Time) string {
	var all []string
	for _, err := range []error{nil, driver.ErrNotFound, driver.ErrExists, driver.ErrConflict} {
		legal := *o
		legal.err = err
		if stored, ok := s.find(o.key); ok {
			legal.saw, legal.mark = stored.image, stored.to
		}
		legal.yielded = !o.yielded
		if ok, _ := m.step(s, &legal); ok {
			all = append(all, legal.resultText(start))
		}
	}
	return strings.Join(all, " or ")
}

func (s state) search(key string) (int, bool) {
	return slices.BinarySearchFunc(s, key, func(sl slot, key string) int { return strings.Compare(sl.key, key) })
}

func (s state) find(key string) (slot, bool) {
	if i, ok := s.search(key); ok {
		return s[i], true
	}
	return slot{}, false
}

// free reports whether o may find nothing under key. A store may forget a mark once the record
// that it leads to has ended.
func (s state) free(key string, o *op) bool {
	over, stored := s.find(key)
	if stored && over.to != "" {
		return s.ended(over.born, o)
	}
	return !stored || expired(over, o)
}

// ended reports whether the record that the write born created may have ended for o.
func (s state) ended(born int, o *op) bool {
	return !slices.ContainsFunc(s, func(sl slot) bool { return sl.to == "" && sl.born == born && !expired(sl, o) })
}

// with returns s with n under its key.
func (s state) with(n slot) state {
	i, ok := s.search(n.key)
	if !ok {
		return slices.Insert(slices.Clone(s), i, n)
	}
	s = slices.Clone(s)
	s[i] = n
	return s
}

func (s state) without(key string) state {
	i, ok := s.search(key)
	if !ok {
		return s
	}
	return slices.Delete(slices.Clone(s), i, i+1)
}

// withoutBorn returns s without the record that o, a part of a DestroySubject, is about,
// whatever its key.
func (s state) withoutBorn(o *op) state {
	for _, sl := range s {
		if sl.born == o.born && sl.subject == o.subject && !slices.Contains(o.except, sl.key) {
			return s.without(sl.key)
		}
	}
	return s
}
