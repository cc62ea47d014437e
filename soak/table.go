package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"gosession.dev/session/soak/wire"
)

// row has the counts for a fault, over all times that it was caused.
type row struct {
	fault
	seen
	tally
}

// row returns the row of a fault, which it adds if need be.
func (r *run) row(f fault) *row {
	for _, known := range r.rows {
		if known.name == f.name {
			return known
		}
	}
	r.rows = append(r.rows, &row{fault: f})
	return r.rows[len(r.rows)-1]
}

// add adds what users saw of the fault.
func (r *row) add(s seen) {
	r.requests += s.requests
	r.unavailable += s.unavailable
	r.failed += s.failed
	r.unanswered += s.unanswered
	r.slowest = max(r.slowest, s.slowest)
	r.back = max(r.back, s.back)
}

// result is the result of a run.
type result struct {
	run      *run
	took     time.Duration
	faults   []string // descriptions of what was wrong
	examples []string
}

// fail notes that something was wrong.
func (res *result) fail(format string, args ...any) {
	res.faults = append(res.faults, fmt.Sprintf(format, args...))
}

// result returns the result of the run, which took so long.
func (r *run) result(took time.Duration) *result {
	res := &result{run: r, took: took}
	res.examples = r.model.examples
	for i, n := range r.model.wrong {
		if n > 0 {
			res.fail("%s: %d", violationNames[i], n)
		}
	}
	for _, row := range r.rows {
		// On a busy machine, some requests time out without any fault.
		if n := row.unavailable + row.unanswered; row.unnoticed && n > row.requests/10 {
			res.fail("%s: %d requests failed", row.name, n)
		}
		if row.failed > 0 {
			res.fail("%s: %d answers were errors other than 503", row.name, row.failed)
		}
	}
	res.compare(r.usages[0], r.usages[len(r.usages)-1], max(r.pools, 1))
	return res
}

// compare reports the resources that the first process uses much more of at the end than at the
// start. Each pool of connections, one for each server, may grow a little.
func (res *result) compare(first, last wire.Usage, pools int) {
	const few, much = 20, 32 << 20
	if last.Goroutines > first.Goroutines+few {
		res.fail("%d goroutines, at first %d", last.Goroutines, first.Goroutines)
	}
	if now, then := last.Sockets+last.Files, first.Sockets+first.Files; now > then+few*pools {
		res.fail("%d sockets and files, at first %d", now, then)
	}
	if last.Heap > first.Heap*3/2+much {
		res.fail("a heap of %d bytes, at first %d", last.Heap, first.Heap)
	}
}

// print writes the result as Markdown.
func (res *result) print(w io.Writer) {
	r := res.run
	fmt.Fprintf(w, "\n### %s, %v, %d process%s\n\n", r.name, res.took.Round(time.Second), r.processes, map[bool]string{true: "es"}[r.processes > 1])
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	head := "| fault\t| requests\t| 503\t| no answer\t| slowest\t| normal after\t| " + strings.Join(violationNames[:], "\t| ") + "\t| overtaken\t| gone, as documented\t|"
	fmt.Fprintln(t, head)
	fmt.Fprintln(t, strings.Repeat("| ---\t", strings.Count(head, "\t"))+"|")
	for _, row := range r.rows {
		fmt.Fprintf(t, "| %s\t| %d\t| %d\t| %d\t| %v\t| %s\t", row.name, row.requests, row.unavailable, row.unanswered,
			row.slowest.Round(time.Millisecond), cmp.Or(nonzero(row.back.Round(time.Millisecond)), "at once"))
		for _, n := range row.wrong {
			fmt.Fprintf(t, "| %d\t", n)
		}
		fmt.Fprintf(t, "| %d\t| %d\t|\n", row.overtaken, row.gone)
	}
	_ = t.Flush()
	res.printRest(w)
}

// nonzero returns d as text, or "" if it is 0.
func nonzero(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// printRest writes what is below the table.
func (res *result) printRest(w io.Writer) {
	r, o := res.run, res.run.model.overtook
	fmt.Fprintf(w, "\nSessions: %d. Sign-ins: %d; of these %d were sent twice at once. %d requests were under way together with one, and %d of them were overtaken: %d were answered 409, %d opened a session.\n",
		len(r.model.sessions), r.signIns.Load(), r.doubles.Load(), o.together, o.requests, o.conflicts, o.opened)
	fmt.Fprintf(w, "Sign-outs at the same time as a sign-in: %d; in %d cases the sign-in came second, and its cookie before the sign-out's. Requests for sessions that had ended, and that took the cookie of a later sign-in away: %d.\n",
		o.signOuts, o.crossed, o.late)
	if o.clocked > 0 {
		fmt.Fprintf(w, "Cookies taken away by overtaken requests while a clock was wrong, as documented: %d.\n", o.clocked)
	}
	fmt.Fprintf(w, "Refused as they should be: %d requests for sessions that were ended, and %d after they were idle.\n",
		r.model.refused.dead, r.model.refused.expired)
	if r.rounds > 0 {
		fmt.Fprintf(w, "Killed and started again: %d times.\n", r.rounds)
	}
	if r.crashes > 0 {
		fmt.Fprintf(w, "A server was killed and started again: %d times.\n", r.crashes)
	}
	fmt.Fprintf(w, "The first process, at rest:")
	for i, u := range []wire.Usage{r.usages[0], r.usages[len(r.usages)/2], r.usages[len(r.usages)-1]} {
		fmt.Fprintf(w, "%s %d goroutines, %d sockets, %d files, %.1f MiB heap, %.1f MiB resident", []string{"", "; then", "; at last"}[i],
			u.Goroutines, u.Sockets, u.Files, mib(u.Heap), mib(u.Resident))
	}
	fmt.Fprintf(w, ".\n")
	for _, f := range res.faults {
		fmt.Fprintf(w, "\nFAULT: %s\n", f)
	}
	for _, e := range res.examples {
		fmt.Fprintf(w, "\n    %s\n", e)
	}
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }
