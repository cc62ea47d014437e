package explore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// search is an exploration under way.
type search struct {
	t        *testing.T
	o        Options
	scenario func(*Execution)
	result   Result
}

// run executes the scenario once, counts the execution, and reports whether to continue.
func (s *search) run(c chooser, round *Round) bool {
	x := execute(s.t, c, s.scenario)
	if x.pruned {
		round.Repeats++
	} else {
		round.Executions++
	}
	if x.failed() {
		s.result.Failure = x.failure()
	}
	return s.result.Failure == nil
}

// exhaust runs all executions with at most the given number of faults, and reports whether the
// budget was enough for all of them.
func (s *search) exhaust(faults int) bool {
	tree := &tree{kinds: s.o.Faults, max: faults, every: s.o.Every, memory: s.o.Memory}
	round := Round{Faults: faults}
	for more := true; more && round.Executions+round.Repeats < s.o.Budget && !round.Exhaustive; {
		tree.begin()
		more = s.run(tree, &round)
		round.Exhaustive = more && !tree.next()
	}
	s.result.Rounds = append(s.result.Rounds, round)
	return round.Exhaustive
}

// random runs random executions while more returns true.
func (s *search) random(faults int, seed uint64, more func(done int) bool) {
	round := Round{Faults: faults, Seed: seed}
	for n := 0; more(n); n++ {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		if !s.run(&dice{rand: r, kinds: s.o.Faults, max: r.IntN(faults + 1)}, &round) {
			break
		}
	}
	s.result.Rounds = append(s.result.Rounds, round)
}

// tree is a chooser that tries all choices, depth first. With sleep sets (Godefroid,
// Partial-Order Methods, 1996) it leaves out executions that differ from earlier ones only in the
// order of independent calls.
type tree struct {
	kinds  Fault
	max    int
	every  bool
	memory bool
	path   []node
	depth  int
	asleep []choice // the sleep set of the next node
}

// node is a point of an execution at which tree makes a choice.
type node struct {
	options []choice
	taken   int      // the index of the current option
	asleep  []choice // the sleep set: choices that were tried before with the same effect
}

func (t *tree) begin() { t.depth, t.asleep = 0, nil }

func (t *tree) exact() bool { return t.every }

func (t *tree) faults(taken schedule) Fault { return faultsLeft(t.kinds, t.max, taken) }

func (t *tree) choose(x *Execution, choices []choice) (choice, bool) {
	if t.depth == len(t.path) {
		options := slices.DeleteFunc(choices, func(c choice) bool { return slices.Contains(t.asleep, c) })
		if len(options) == 0 {
			return choice{}, false
		}
		t.path = append(t.path, node{options: options, asleep: t.asleep})
	}
	n := &t.path[t.depth]
	c := n.options[n.taken]
	if !slices.Contains(choices, c) {
		panic(fmt.Sprintf("explore: the scenario is not deterministic: after %v the choices are %v, and %v is not among them\n%s", x.taken, choices, c, x.formatLog()))
	}
	t.depth++
	t.asleep = nil
	if !t.every {
		for _, s := range slices.Concat(n.asleep, n.options[:n.taken]) {
			if x.independent(s, c, t.memory) {
				t.asleep = append(t.asleep, s)
			}
		}
	}
	return c, true
}

// next moves to the next execution, and reports false if there is none.
func (t *tree) next() bool {
	for len(t.path) > 0 {
		last := &t.path[len(t.path)-1]
		last.taken++
		if last.taken < len(last.options) {
			return true
		}
		t.path = t.path[:len(t.path)-1]
	}
	return false
}

// dice is a chooser that makes random choices.
type dice struct {
	rand  *rand.Rand
	kinds Fault
	max   int
}

// faultEvery is how many calls there are, on average, for each call that may have a fault.
const faultEvery = 6

func (d *dice) faults(taken schedule) Fault {
	if d.rand.IntN(faultEvery) > 0 {
		return 0
	}
	return faultsLeft(d.kinds, d.max, taken)
}

func (d *dice) exact() bool { return false }

func (d *dice) choose(_ *Execution, choices []choice) (choice, bool) {
	return choices[d.rand.IntN(len(choices))], true
}

func faultsLeft(kinds Fault, most int, taken schedule) Fault {
	for _, c := range taken {
		if c.fault != 0 {
			most--
		}
	}
	if most <= 0 {
		return 0
	}
	return kinds
}

// A schedule is a chooser that makes the choices in it, and after its end always the first one.

func (s schedule) faults(schedule) Fault { return AllFaults }

func (s schedule) exact() bool { return true }

func (s schedule) choose(x *Execution, choices []choice) (choice, bool) {
	if len(x.taken) >= len(s) {
		return choices[0], true
	}
	c := s[len(x.taken)]
	if !slices.Contains(choices, c) {
		panic(fmt.Sprintf("explore: the schedule does not fit the scenario: after %v the choices are %v, and %v is not among them", x.taken, choices, c))
	}
	return c, true
}
