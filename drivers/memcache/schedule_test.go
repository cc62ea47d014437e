package memcache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// explorer plays calls of several stores in every order of their memcached commands,
// and with up to so many faults at every place.
type explorer struct {
	t      testing.TB
	faults int
	living bool // faults cost answers and commands, and no process
	gates  []*gate
	stores []*Store
}

func newExplorer(t testing.TB, server string, actors, faults int) *explorer {
	x := &explorer{t: t, faults: faults}
	for range actors {
		g := newGate(t, server)
		x.gates = append(x.gates, g)
		x.stores = append(x.stores, open(t, g.addr+"?timeout=10s"))
	}
	return x
}

// call is what an actor does with its store.
type call func(ctx context.Context, s *Store) error

// explore plays the calls that setup returns under every schedule. Setup runs before
// each; check gets what the calls returned, errDied for an actor that has died.
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

// sample plays random schedules for some time.
func (x *explorer) sample(d time.Duration, setup func() []call, check func(errs []error, trace string)) (schedules int) {
	for over := time.Now().Add(d); time.Now().Before(over); schedules++ {
		p := &play{explorer: x, random: true, faults: x.faults}
		p.run(setup())
		check(p.errs, strings.Join(p.trace, "; "))
	}
	return schedules
}

// choice is one of several ways to go on.
type choice struct{ chosen, options int }

// next returns the choices of the schedule that follows, or nil after the last.
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

// play is one run under one schedule.
type play struct {
	*explorer
	choices []int
	random  bool // beyond choices; otherwise the first way is taken
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
	at      chan string  // the command that it waits with
	verdict chan verdict // on that
	done    chan error
	command string // "" if it has returned
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

// await waits until the actor is at its gate, or has returned.
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

// moves returns all ways to go on.
func (p *play) moves() (moves []func()) {
	for _, a := range p.actors {
		if a.command == "" {
			continue
		}
		moves = append(moves, p.move(a, pass, false))
		if p.faults == 0 {
			continue
		}
		if !p.living {
			moves = append(moves, p.move(a, refuse, true))
		}
		if strings.HasPrefix(a.command, "gets ") {
			continue
		}
		moves = append(moves, p.move(a, hold, false)) // an answer that is lost is a command that is executed next
		if !p.living {
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

// move lets the actor go on with what becomes of its command, and lets it die then if
// it dies.
func (p *play) move(a *actor, v verdict, dies bool) func() {
	return func() {
		p.trace = append(p.trace, fmt.Sprintf("%d %s%s", a.id, a.command,
			[]string{"", " (refused)", " (no answer)", " (held)"}[v]+map[bool]string{true: " dies"}[dies]))
		if v != pass {
			p.faults--
		}
		a.verdict <- v
		if dies {
			// An executed command is in the server before anyone goes on: the store is
			// told by the connection's end, and only then is the call given up.
			a.died = true
			p.die(a)
			return
		}
		p.await(a)
		p.held = append(p.held, p.gates[a.id].takeHeld()...)
	}
}

// die refuses what the actor still sends, until it has returned.
func (p *play) die(a *actor) {
	for {
		if p.await(a); a.command == "" {
			return
		}
		a.cancel()
		a.verdict <- refuse
	}
}
