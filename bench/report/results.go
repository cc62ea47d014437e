package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// run identifies a benchmark. library includes the backend.
type run struct{ library, work, size, goroutines string }

type result struct{ ns, allocs float64 }

// results holds the results of each run.
type results struct {
	machine   string
	libraries []string         // in the order of the output
	all       map[run][]result // in the order of the output
	of        map[run]result   // the medians
}

var (
	line = regexp.MustCompile(`^BenchmarkRequest/([^/]+/[^/]+)/([^/]+)/([^/]+)/(\d+)-(\d+)\s+\d+\s+([\d.]+) ns/op\s+\d+ B/op\s+(\d+) allocs/op`)
	head = regexp.MustCompile(`^(goos|goarch|cpu): (.*)`)
)

func parse(r io.Reader) (*results, error) {
	res := &results{all: map[run][]result{}, of: map[run]result{}}
	machine, procs := []string{}, ""
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		if m := head.FindStringSubmatch(scanner.Text()); m != nil && !slices.Contains(machine, m[2]) {
			machine = append(machine, m[2])
		}
		m := line.FindStringSubmatch(scanner.Text())
		if m == nil {
			continue
		}
		if !slices.Contains(res.libraries, m[1]) {
			res.libraries = append(res.libraries, m[1])
		}
		procs = m[5]
		of := run{m[1], m[2], m[3], m[4]}
		res.all[of] = append(res.all[of], result{number(m[6]), number(m[7])})
	}
	if len(res.all) == 0 {
		return nil, errors.New("the input has no line of BenchmarkRequest: pipe the output of go test -bench . into it")
	}
	for of, all := range res.all {
		sorted := slices.SortedFunc(slices.Values(all), func(a, b result) int { return cmp.Compare(a.ns, b.ns) })
		res.of[of] = sorted[len(sorted)/2]
	}
	res.machine = fmt.Sprintf("Measured on %s, %s cores.", strings.Join(machine, ", "), procs)
	return res, scanner.Err()
}

func number(text string) float64 {
	n, _ := strconv.ParseFloat(text, 64)
	return n
}

// overhead returns the time of a run in nanoseconds minus that of the bare handler, at least 1, and
// whether the run was measured.
func (r *results) overhead(of run) (float64, bool) {
	whole, found := r.of[of]
	return r.over(of, whole), found
}

// over is overhead for one result of a run.
func (r *results) over(of run, whole result) float64 {
	of.library = "none/handler"
	return max(whole.ns-r.of[of].ns, 1)
}

// ratios returns the overhead of one run divided by that of another, for each time that both were
// measured, in ascending order.
func (r *results) ratios(ours, theirs run) []float64 {
	var ratios []float64
	for i := range min(len(r.all[ours]), len(r.all[theirs])) {
		ratios = append(ratios, r.over(ours, r.all[ours][i])/r.over(theirs, r.all[theirs][i]))
	}
	slices.Sort(ratios)
	return ratios
}
