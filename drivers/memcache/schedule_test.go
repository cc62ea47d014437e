package memcache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// explorer runs calls of several stores in every order of their memcached commands, with up to a
// number of faults at every place.
type explorer struct {
	t       testing.TB
	faults  int
	survive bool // no fault ends a process; commands arrive late instead
	gates   []*gate
	stores  []*Store
}

func newExplorer(t testing.TB, server string, actors, faults int) *explorer {
	x := &explorer{t: t, faults: faults}
	for range actors {
		g := newGate(t, server)
		x.gates = append(x.gates, g)
		x.stores = append(x.stores, open(t, g.addr))
	}
	return x
}

// call is the call that an actor makes with its store.
type call func(ctx context.Context, s *Store) error

// explore runs the calls of setup under every schedule, and returns the number of schedules. It
// calls setup before each schedule, and check after it, with the results of the calls. The result
// of an actor that died is errDied.
func (x *explorer) explore(setup func() []call, check func(errs []error, trace string)) (schedules int) {
	for choices := []int{}; ; schedules++ {
		p := &play{explorer: x, choices: choices, faults: x.faults}
		p.run(setup())
		if x.t.Failed() {
			return schedules
		}
		check(p.errs, strings.Join(p.trace, "; "))
		if choices = next(p.taken); choices == nil {
			return schedules + 1
		}
	}
}

// sample runs random schedules during d, and returns their number.
func (x *explorer) sample(d time.Duration, setup func() []call, check func(errs []error, trace string)) (schedules int) {
	for over := time.Now().Add(d); time.Now().Before(over); schedules++ {
		p := &play{explorer: x, random: true, faults: x.faults}
		p.run(setup())
		check(p.errs, strings.Join(p.trace, "; "))
	}
	return schedules
}

// choice is one decision of a schedule: the chosen one of a number of options.
type choice struct{ chosen, options int }

// next returns the choices of the next schedule, or nil after the last one.
func next(taken []choice) []int {
	for len(taken) > 0 {
		last := &taken[len(taken)-1]
		if last.chosen++; last.chosen < last.options {
			choices := make([]int, len(taken))
			for i, c := range taken {
				choices[i] = c.chosen
			}
			return choices
		}
		taken = taken[:len(taken)-1]
	}
	return nil
}

// play is one run of the calls under one schedule.
type play struct {
	*explorer
	choices []int
	random  bool // after choices are used up, choose at random instead of the first option
	faults  int  // that are left
	actors  []*actor
	held    []func()
	taken   []choice
	trace   []string
	errs    []error
}

// actor is a process that makes one call.
type actor struct {
	id      int
	cancel  context.CancelFunc
	at      chan string  // receives the next command, which waits at the gate
	verdict chan verdict // on that command
	done    chan error
	command string // the waiting command, or "" after the call has returned
	died    bool
}

var errDied = fmt.Errorf("the process has died")

func (p *play) run(calls []call) {
	p.errs = make([]error, len(calls))
	for i, c := range calls {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		a := &actor{id: i, cancel: cancel, at: make(chan string), verdict: make(chan verdict), done: make(chan error, 1)}
		p.gates[i].judge(func(command string) verdict {
			a.at <- command
			return <-a.verdict
		})
		go func() { a.done <- c(ctx, p.stores[i]) }()
		p.await(a)
		p.actors = append(p.actors, a)
	}
	for {
		moves := p.moves()
		if len(moves) == 0 {
			break
		}
		n := 0
		if p.random {
			n = rand.IntN(len(moves))
		}
		if len(p.taken) < len(p.choices) {
			n = p.choices[len(p.taken)]
		}
		p.taken = append(p.taken, choice{n, len(moves)})
		moves[n]()
	}
	for _, g := range p.gates {
		g.open()
	}
}

// await waits until the actor's next command is at the gate, or its call has returned.
func (p *play) await(a *actor) {
	a.command = ""
	select {
	case a.command = <-a.at:
	case err := <-a.done:
		if a.died {
			err = errDied
		}
		p.errs[a.id] = err
	}
}

// moves returns all possible next steps of the schedule.
func (p *play) moves() (moves []func()) {
	for _, a := range p.actors {
		if a.command == "" {
			continue
		}
		moves = append(moves, p.move(a, pass, false))
		if p.faults == 0 {
			continue
		}
		if !p.survive {
			moves = append(moves, p.move(a, refuse, true))
		}
		if strings.HasPrefix(a.command, "gets ") {
			continue
		}
		moves = append(moves, p.move(a, hold, false)) // executed next, this is a lost answer
		if !p.survive {
			moves = append(moves, p.move(a, mute, true))
		}
	}
	for i, execute := range p.held {
		moves = append(moves, func() {
			p.trace = append(p.trace, "late command")
			p.held = append(p.held[:i:i], p.held[i+1:]...)
			execute()
		})
	}
	return moves
}

// move returns a step that applies the verdict to the actor's command, and ends the actor if dies
// is true.
func (p *play) move(a *actor, v verdict, dies bool) func() {
	return func() {
		p.trace = append(p.trace, fmt.Sprintf("%d %s%s", a.id, a.command,
			[]string{"", " (refused)", " (no answer)", " (held)"}[v]+map[bool]string{true: " dies"}[dies]))
		if v != pass {
			p.faults--
		}
		a.verdict <- v
		if dies {
			// A mute command is executed before the schedule continues: the gate closes the
			// connection after that, and die cancels the call only when its next command comes.
			a.died = true
			p.die(a)
			return
		}
		p.await(a)
		p.held = append(p.held, p.gates[a.id].takeHeld()...)
	}
}

// die refuses all further commands of the actor until its call has returned.
func (p *play) die(a *actor) {
	for {
		if p.await(a); a.command == "" {
			return
		}
		a.cancel()
		a.verdict <- refuse
	}
}
