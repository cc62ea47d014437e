package drivertest

import (
	"slices"
	"strings"
	"time"

	"gosession.dev/session/driver"
)

// model is the contract as a function: what a call may return, and what is stored
// then. It knows no versions. A write is known by its number, which is in the data
// that it stores: what a caller has read by that, and not by the version that it was
// told, tells whether its write is a conflict. So a store that repeats a version,
// or compares none, contradicts the model.
type model struct {
	late  time.Duration // how long after Expires a record may be found
	marks bool          // ChangeID leaves a mark
}

// state is what is stored, in the order of keys. It is never changed, only replaced.
type state []slot

// slot is a record, dead or alive, or the mark of one.
type slot struct {
	key  string
	born int    // the write that created the record, under whatever key
	to   string // where the mark leads; empty for a record
	image
}

// image is what can be seen of a record.
type image struct {
	write   int
	expires int64 // in Unix milliseconds
	subject string
}

// step tells whether o may come at the state s, and which state that makes. Time
// passes during a call, so a record that expires meanwhile may be both, found or
// absent: the result tells which. That it was absent once does not end it, because
// a call that began earlier may still find it.
func (m model) step(s state, o *op) (bool, state) {
	if o.given {
		return true, state{{key: o.target(), born: o.born, image: o.image()}}
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
		return live && o.writesOver() && o.base != old.image, s
	}
	switch o.verb {
	case doCreate:
		return s.free(o.key, o), s.with(slot{key: o.key, born: o.write, image: o.image()})
	case doRetrieve:
		return live && o.saw == old.image, s
	case doFlush:
		return live && o.base.write == old.write, s.with(slot{key: o.key, born: old.born, image: o.image()})
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
	panic("drivertest: no verb " + string(o.verb))
}

// found tells whether o may find what is stored.
func (m model) found(stored slot, o *op) bool {
	return !o.from.After(time.UnixMilli(stored.expires).Add(m.late))
}

// expired tells whether o may find nothing, because what is stored expires.
func expired(stored slot, o *op) bool { return o.pending || o.to.UnixMilli() >= stored.expires }

// exists tells whether the key that o needs may be taken. ChangeID judges the old key
// first.
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

// taken tells whether o may find a record or a mark under key.
func (m model) taken(s state, key string, o *op) bool {
	over, stored := s.find(key)
	return stored && (over.to != "" || m.found(over, o))
}

// moved is what ChangeID makes of s.
func (m model) moved(s state, old slot, o *op) state {
	s = s.without(o.key)
	if m.marks {
		s = s.with(slot{key: o.key, born: old.born, to: o.newKey})
	}
	return s.with(slot{key: o.newKey, born: old.born, image: o.image()})
}

// wanted tells what o might have returned instead.
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

// free tells whether o may find nothing under key: a mark may be forgotten once the
// record that it leads to has ended.
func (s state) free(key string, o *op) bool {
	over, stored := s.find(key)
	if stored && over.to != "" {
		return s.ended(over.born, o)
	}
	return !stored || expired(over, o)
}

// ended tells whether o may find no record that was created by a write.
func (s state) ended(born int, o *op) bool {
	return !slices.ContainsFunc(s, func(sl slot) bool { return sl.to == "" && sl.born == born && !expired(sl, o) })
}

// with returns s with what is stored under n.key replaced.
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

// withoutBorn removes the record that the call of DestroySubject is about, under
// whatever key it is.
func (s state) withoutBorn(o *op) state {
	for _, sl := range s {
		if sl.born == o.born && sl.subject == o.subject && !slices.Contains(o.except, sl.key) {
			return s.without(sl.key)
		}
	}
	return s
}
