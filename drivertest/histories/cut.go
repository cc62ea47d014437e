package histories

import (
	"slices"

	"github.com/anishathalye/porcupine"
)

// latest leaves out the beginning of an impossible history. It looks for the last write such
// that the calls that depend on it are still an impossible history.
func (m model) latest(ops []*op) []*op {
	for _, first := range slices.Backward(ops) {
		if first.write == 0 || first.err != nil || first.pending {
			continue
		}
		if rest := after(first, ops); m.legal(rest) == porcupine.Illegal {
			return rest
		}
	}
	return ops
}

// after returns first, as given, and the later calls that can find what first has stored. It
// returns nil if those are not known: if another call may have changed the record at the same
// time, or if another record may come to one of its keys.
func after(first *op, ops []*op) []*op {
	given := *first
	given.given, given.born = true, origin(first, ops)
	rest, keys, born := []*op{&given}, map[string]bool{first.target(): true}, map[int]bool{given.born: true}
	for _, o := range ops {
		mine := keys[o.key]
		if o.verb == doDestroySubject {
			mine = born[o.born]
		}
		switch {
		case o == first || o.to.Before(first.from):
			continue
		case !mine && o.write > 0 && keys[o.newKey]:
			return nil
		case !mine || !o.from.After(first.to) && !o.changes():
			continue
		case !o.from.After(first.to):
			return nil
		}
		if o.verb == doChangeID && o.err == nil {
			if used(o.newKey, o, ops) {
				return nil
			}
			keys[o.newKey] = true
		}
		if o.verb == doCreate && o.err == nil {
			born[o.write] = true
		}
		rest = append(rest, o)
	}
	return rest
}

// used reports whether a call was about key before o.
func used(key string, o *op, ops []*op) bool {
	return slices.ContainsFunc(ops, func(p *op) bool { return p != o && p.target() == key && !p.from.After(o.from) })
}

// origin returns the number of the write that created the record that o has stored, or 0 if it is
// not among ops.
func origin(o *op, ops []*op) int {
	for o.verb != doCreate {
		i := slices.IndexFunc(ops, func(p *op) bool { return p.write > 0 && p.write == o.base.write && p.err == nil })
		if i < 0 {
			return 0
		}
		o = ops[i]
	}
	return o.write
}
