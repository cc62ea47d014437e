package histories

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// enough is the time limit for finding an order of a history. Some histories can't be decided in
// any time that a test has.
const enough = 5 * time.Second

// check fails the test if the history of g is impossible. It returns the number of parts of the
// history that are left undecided.
func (h *historian) check(g *group) (undecided int) {
	for _, o := range slices.Concat(g.ops, h.listed) {
		if key := o.twice(g.ops); key != "" {
			h.Fatalf("%s yields %q twice; want it once\nStore.Sessions says: %s", o.callText(o.from), key, listsOnce)
		}
	}
	for _, part := range h.parts(g) {
		switch h.model.legal(part) {
		case porcupine.Illegal:
			h.Fatal(strings.ReplaceAll(h.model.report(part), g.name, ""))
		case porcupine.Unknown:
			undecided++
		}
	}
	return undecided
}

// legal looks for an order of ops in which each call is possible.
func (m model) legal(ops []*op) porcupine.CheckResult {
	if len(ops) == 0 {
		return porcupine.Ok
	}
	start := ops[0].from
	seed := maphash.MakeSeed()
	p := porcupine.Model{
		Init:  func() any { return state(nil) },
		Step:  func(s, in, _ any) (bool, any) { return m.step(s.(state), in.(*op)) },
		Equal: func(a, b any) bool { return slices.Equal(a.(state), b.(state)) },
		Hash:  func(s any) uint64 { return hashOf(seed, s.(state)) },
	}
	history := make([]porcupine.Operation, len(ops))
	for i, o := range ops {
		history[i] = porcupine.Operation{ClientId: o.client, Input: o, Call: int64(o.from.Sub(start)), Return: int64(o.to.Sub(start))}
	}
	return porcupine.CheckOperationsTimeout(p, history, enough)
}

func hashOf(seed maphash.Seed, s state) (sum uint64) {
	for _, sl := range s {
		sum += maphash.Comparable(seed, sl)
	}
	return sum
}

// parts divides the history of g by keys. Two keys are in one part if a record was moved from
// one to the other.
func (h *historian) parts(g *group) [][]*op {
	root := map[string]string{}
	find := func(key string) string {
		for root[key] != "" {
			key = root[key]
		}
		return key
	}
	for _, o := range g.ops {
		if a, b := find(o.key), find(o.newKey); o.verb == doChangeID && o.err == nil && a != b {
			root[b] = a
		}
	}
	byRoot := map[string][]*op{}
	for _, o := range h.split(g) {
		key := find(o.key)
		byRoot[key] = append(byRoot[key], o)
	}
	var parts [][]*op
	for _, ops := range byRoot {
		slices.SortStableFunc(ops, func(a, b *op) int { return a.from.Compare(b.from) })
		parts = append(parts, ops)
	}
	return parts
}

// split returns the calls of g, and divides those that are about several records.
func (h *historian) split(g *group) []*op {
	var ops []*op
	for _, o := range slices.Concat(g.ops, h.listed) {
		switch o.verb {
		case doList:
			ops = append(ops, o.perKey(g.ops, h.model.marks)...)
		case doDestroySubject:
			ops = append(ops, o.perRecord(g.ops)...)
		default:
			ops = append(ops, o)
		}
	}
	return ops
}

// perRecord divides a DestroySubject: it returns one op for each record that was created before
// the call ended and that ever belonged to the subject.
func (o *op) perRecord(ops []*op) []*op {
	var all []*op
	for _, c := range ops {
		if c.verb == doCreate && c.err == nil && c.from.Before(o.to) && c.everOf(o.subject, ops) {
			part := *o
			part.key, part.born = c.key, c.write
			all = append(all, &part)
		}
	}
	return all
}

// everOf reports whether the record that o creates belongs to subject at any time.
func (o *op) everOf(subject string, ops []*op) bool {
	return slices.ContainsFunc(ops, func(w *op) bool {
		return w.write > 0 && w.err == nil && w.subject == subject && origin(w, ops) == o.write
	})
}

// twice returns a key that a listing has yielded more than once, unless a record was written
// under that key meanwhile.
func (o *op) twice(ops []*op) string {
	seen := map[string]bool{}
	for _, key := range o.yields {
		written := func(w *op) bool { return w.write > 0 && w.target() == key && !w.to.Before(o.from) }
		if seen[key] && !slices.ContainsFunc(ops, written) {
			return key
		}
		seen[key] = true
	}
	return ""
}

// perKey divides a listing: it returns one op for each key that was used before the listing
// ended. A key that a concurrent ChangeID writes may be yielded, whatever the result of that
// call. With marks, the key is yielded only if the ChangeID succeeds, and may be left out before
// it returns, because the record is pending.
func (o *op) perKey(ops []*op, marks bool) []*op {
	var all []*op
	used, moving := map[string]bool{}, map[string]bool{}
	for _, w := range ops {
		if w.write > 0 && w.from.Before(o.to) {
			key := w.target()
			used[key] = true
			copied := w.verb == doChangeID && w.to.After(o.from) && (w.err == nil || !marks)
			moving[key] = moving[key] || copied
		}
	}
	for key := range used {
		part := *o
		part.key, part.yielded = key, slices.Contains(o.yields, key)
		if !moving[key] || !part.yielded && !marks {
			all = append(all, &part)
		}
	}
	return all
}
