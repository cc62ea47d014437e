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

// row is what came of a fault, all times that it was done.
type row struct {
	fault
	seen
	tally
}

func (r *run) row(f fault) *row {
	for _, known := range r.rows {
		if known.name == f.name {
			return known
		}
	}
	r.rows = append(r.rows, &row{fault: f})
	return r.rows[len(r.rows)-1]
}

func (r *row) add(s seen) {
	r.requests += s.requests
	r.unavailable += s.unavailable
	r.failed += s.failed
	r.unanswered += s.unanswered
	r.slowest = max(r.slowest, s.slowest)
	r.back = max(r.back, s.back)
}

// result is what came of it all.
type result struct {
	run      *run
	took     time.Duration
	faults   []string // what should not be
	examples []string
}

func (res *result) fail(format string, args ...any) {
	res.faults = append(res.faults, fmt.Sprintf(format, args...))
}

func (r *run) result(took time.Duration) *result {
	res := &result{run: r, took: took}
	res.examples = r.account.examples
	for i, n := range r.account.wrong {
		if n > 0 {
			res.fail("%s: %d", wrongNames[i], n)
		}
	}
	for _, row := range r.rows {
		// A machine that is busy with other things may be late for some.
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

// compare reports what has grown. Pools of connections, one for each server, may fill a
// little.
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

// print writes it in the form of Markdown.
func (res *result) print(w io.Writer) {
	r := res.run
	fmt.Fprintf(w, "\n### %s, %v, %d process%s\n\n", r.name, res.took.Round(time.Second), r.processes, map[bool]string{true: "es"}[r.processes > 1])
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	head := "| fault\t| requests\t| 503\t| no answer\t| slowest\t| normal after\t| " + strings.Join(wrongNames[:], "\t| ") + "\t| overtaken\t| gone, as documented\t|"
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

func nonzero(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func (res *result) printRest(w io.Writer) {
	r, o := res.run, res.run.account.overtook
	fmt.Fprintf(w, "\nSessions: %d. Sign-ins: %d; of these %d were sent twice at once. %d requests were under way together with one, and %d of them were overtaken: %d were answered 409, %d opened a session.\n",
		len(r.account.lives), r.signIns.Load(), r.doubles.Load(), o.together, o.requests, o.conflicts, o.opened)
	fmt.Fprintf(w, "Sign-outs at the same time as a sign-in: %d; in %d cases the sign-in came second, and its cookie before the sign-out's. Requests for sessions that had ended, and that took the cookie of a later sign-in away: %d.\n",
		o.signOuts, o.crossed, o.late)
	if o.clocked > 0 {
		fmt.Fprintf(w, "Cookies taken away by overtaken requests while a clock was wrong, as documented: %d.\n", o.clocked)
	}
	fmt.Fprintf(w, "Refused as they should be: %d requests for sessions that were ended, and %d after they were idle.\n",
		r.account.refused.dead, r.account.refused.expired)
	if r.rounds > 0 {
		fmt.Fprintf(w, "Killed and started again: %d times.\n", r.rounds)
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
