package histories

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// report returns the text of a failure: why ops is an impossible history, shown with as few
// calls as possible.
func (m model) report(ops []*op) string {
	ops = m.fewest(m.latest(m.fewest(m.shortest(ops))))
	lines := []string{"no order of these calls is possible:"}
	for _, o := range ops {
		lines = append(lines, o.line(ops[0].from))
	}
	lines = slices.Compact(lines) // the ops of one DestroySubject have the same line
	return strings.Join(append(lines, says(ops)), "\n")
}

// line returns the line of a report about o.
func (o *op) line(start time.Time) string {
	caller := fmt.Sprintf("client %d", o.client)
	if o.client < 0 {
		caller = "listing"
	}
	at := fmt.Sprintf("[%s..%s]", short(o.from.Sub(start)), short(o.to.Sub(start)))
	result := o.resultText(start)
	if o.pending {
		at, result = fmt.Sprintf("[%s..", short(o.from.Sub(start))), "not returned yet"
	}
	return fmt.Sprintf("  %s %-24s %s = %s", caller, at, o.callText(start), result)
}

// short returns a time of a report, precise enough to show which calls overlap.
func short(d time.Duration) string { return d.Round(time.Microsecond).String() }

// shortest returns ops up to the first moment at which they are an impossible history.
func (m model) shortest(ops []*op) []*op {
	ends := make([]time.Time, len(ops))
	for i, o := range ops {
		ends[i] = o.to
	}
	slices.SortFunc(ends, time.Time.Compare)
	n, _ := slices.BinarySearchFunc(ends, porcupine.Illegal, func(end time.Time, _ porcupine.CheckResult) int {
		if m.legal(until(ops, end)) == porcupine.Illegal {
			return 0
		}
		return -1
	})
	return until(ops, ends[min(n, len(ends)-1)])
}

// apart reports whether no other call of ops is about a key of o.
func (o *op) apart(ops []*op) bool {
	return !slices.ContainsFunc(ops, func(p *op) bool { return p != o && (p.key == o.key || p.key == o.newKey) })
}

// until returns the calls up to a moment. Of the calls that have not returned by then, it keeps
// those that may have taken effect already.
func until(ops []*op, end time.Time) []*op {
	var before []*op
	for _, o := range ops {
		switch {
		case !o.to.After(end):
			before = append(before, o)
		case !o.from.After(end) && o.changes():
			open := *o
			open.pending, open.to = true, open.from.Add(math.MaxInt64)
			before = append(before, &open)
		}
	}
	return before
}

// fewest leaves out calls without which ops is still an impossible history. It keeps calls that
// changed something, or may have, because other calls may be possible only after them.
func (m model) fewest(ops []*op) []*op {
	for i := len(ops) - 1; i >= 0; i-- {
		if ops[i].changes() && !(ops[i].pending && ops[i].apart(ops)) {
			continue
		}
		fewer := slices.Delete(slices.Clone(ops), i, i+1)
		if m.legal(fewer) == porcupine.Illegal {
			ops = fewer
		}
	}
	return ops
}
