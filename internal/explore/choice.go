package explore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Fault is what can happen to a call. The values are bits.
type Fault int

const (
	// Fail: the call does not happen, and returns an error.
	Fail Fault = 1 << iota

	// Lost: the call happens, and returns an error.
	Lost

	// Crash: the call happens, and its process makes no further step. Its requests
	// get no answer.
	Crash

	AllFaults = Fail | Lost | Crash
)

var faultLetters = map[Fault]string{0: "", Fail: "f", Lost: "l", Crash: "c"}

// choice lets a request make its call.
type choice struct {
	request int
	fault   Fault
}

func (c choice) String() string { return strconv.Itoa(c.request) + faultLetters[c.fault] }

// schedule is what has been chosen, in order.
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
			return nil, fmt.Errorf("%q is no schedule: %w", text, err)
		}
		c.request = n
		s = append(s, c)
	}
	return s, nil
}

// Call is what waits at a gate.
type Call struct {
	Name   string
	Keys   []string // the records that it reads or writes; nil is all of them
	Writes bool
}

// concerns reports whether the order of the two calls can make a difference to the
// records.
func (c Call) concerns(other Call) bool {
	if !c.Writes && !other.Writes {
		return false
	}
	if c.Keys == nil || other.Keys == nil {
		return true
	}
	return slices.ContainsFunc(c.Keys, func(key string) bool { return slices.Contains(other.Keys, key) })
}

// independent reports whether two choices have the same effect in either order. If
// processes have a memory, requests of one process may meet there, which only readers
// leave alone.
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
	return a.fault == Fail || b.fault == Fail || !ra.call.concerns(rb.call)
}
