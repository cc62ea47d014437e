package explore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Fault is a kind of fault that can hit a call. The values are bits.
type Fault int

const (
	// Fail: the call has no effect and returns an error.
	Fail Fault = 1 << iota

	// Lost: the call takes effect, but its answer is lost, so it returns an error.
	Lost

	// Crash: the call takes effect, and then the process crashes. It makes no further call, and
	// its requests get no answer.
	Crash

	AllFaults = Fail | Lost | Crash
)

var faultLetters = map[Fault]string{0: "", Fail: "f", Lost: "l", Crash: "c"}

// choice is one step of an execution: a request makes its call, possibly with a fault.
type choice struct {
	request int
	fault   Fault
}

func (c choice) String() string { return strconv.Itoa(c.request) + faultLetters[c.fault] }

// schedule is the sequence of choices of an execution.
type schedule []choice

func (s schedule) String() string {
	texts := make([]string, len(s))
	for i, c := range s {
		texts[i] = c.String()
	}
	return strings.Join(texts, ",")
}

func parseSchedule(text string) (schedule, error) {
	var s schedule
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		var c choice
		for fault, letter := range faultLetters {
			if letter != "" && strings.HasSuffix(field, letter) {
				c.fault, field = fault, strings.TrimSuffix(field, letter)
				break
			}
		}
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("%q is not a schedule: %w", text, err)
		}
		c.request = n
		s = append(s, c)
	}
	return s, nil
}

// Call describes a call that waits at a gate.
type Call struct {
	Name   string
	Keys   []string // of the records that the call reads or writes; nil means all records
	Writes bool
}

// conflicts reports whether the order of the two calls can matter for the records.
func (c Call) conflicts(other Call) bool {
	if !c.Writes && !other.Writes {
		return false
	}
	if c.Keys == nil || other.Keys == nil {
		return true
	}
	return slices.ContainsFunc(c.Keys, func(key string) bool { return slices.Contains(other.Keys, key) })
}

// independent reports whether two choices have the same effect in either order. If memory is
// true, the calls of one process may also affect its memory, unless both only read.
func (x *Execution) independent(a, b choice, memory bool) bool {
	ra, rb := x.requests[a.request], x.requests[b.request]
	if ra == rb {
		return false
	}
	if ra.process == rb.process {
		if a.fault == Crash || b.fault == Crash || memory && (ra.call.Writes || rb.call.Writes) {
			return false
		}
	}
	return a.fault == Fail || b.fault == Fail || !ra.call.conflicts(rb.call)
}
