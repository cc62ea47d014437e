package explore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Execution is one execution of a scenario. The scenario's goroutine calls its
// methods, except where it is said otherwise.
type Execution struct {
	chooser  chooser
	requests []*Request
	dead     map[int]bool // the processes that have crashed
	taken    schedule
	cleanups []func()
	over     chan struct{} // closed when what has crashed may unwind

	mu       sync.Mutex     // guards what follows
	keys     map[string]int // in the order in which they came to be, from 1
	log      []logged
	messages []string
	pruned   bool // it repeats another one
}

// chooser decides what happens next.
type chooser interface {
	// choose returns one of the choices, which are never empty, or false if the
	// execution is of no more interest.
	choose(x *Execution, choices []choice) (choice, bool)

	// faults returns which faults may follow the choices up to now.
	faults(taken schedule) Fault

	// exact reports whether executions are wanted that have the effect of others.
	exact() bool
}

// Request is a goroutine whose calls the explorer orders.
type Request struct {
	index   int
	process int
	turn    chan choice // what its call is told

	mu      sync.Mutex // guards what follows
	waiting bool       // at a gate, with call
	call    Call
	done    bool
	ended   bool // done before its process crashed
}

type logged struct {
	choice
	call Call
	err  error
}

// The errors of calls that fail. They look like nothing that package driver defines.
var (
	ErrFault = errors.New("explore: the store fails")
	errDead  = errors.New("explore: the process has crashed")
)

type requestKey struct{}

// Go starts a request in a process. The context of its calls has to be derived from
// ctx.
func (x *Execution) Go(process int, do func(ctx context.Context)) *Request {
	r := &Request{index: len(x.requests), process: process, turn: make(chan choice)}
	x.requests = append(x.requests, r)
	go func() {
		defer func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.done, r.ended = true, !x.dead[process]
		}()
		do(context.WithValue(context.Background(), requestKey{}, r))
	}()
	return r
}

// Ended reports whether the request came to its end before its process crashed.
func (r *Request) Ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// Crashed reports whether the process has crashed.
func (x *Execution) Crashed(process int) bool { return x.dead[process] }

// Count returns how many faults of these kinds there were.
func (x *Execution) Count(kinds Fault) int {
	n := 0
	for _, c := range x.taken {
		if c.fault&kinds != 0 {
			n++
		}
	}
	return n
}

// Hit reports whether a fault of these kinds has hit a call of that name.
func (x *Execution) Hit(kinds Fault, call string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.log {
		if l.fault&kinds != 0 && l.call.Name == call {
			return true
		}
	}
	return false
}

// Cleanup has do called when the execution is over.
func (x *Execution) Cleanup(do func()) { x.cleanups = append(x.cleanups, do) }

// Wait lets the requests make their calls, one at a time, until all have ended.
func (x *Execution) Wait() {
	for {
		x.settle()
		choices := x.choices()
		if len(choices) == 0 {
			break
		}
		if len(x.taken) == endless {
			x.Errorf("the execution does not end")
			x.stop()
		}
		c, ok := x.chooser.choose(x, choices)
		if !ok {
			x.prune()
		}
		x.pass(c)
	}
	for _, r := range x.requests {
		if !r.Ended() && !x.dead[r.process] {
			x.Errorf("request %d neither ends nor makes a call", r.index)
		}
	}
	x.endDead()
}

// pass lets one call pass.
func (x *Execution) pass(c choice) {
	x.taken = append(x.taken, c)
	r := x.requests[c.request]
	r.mu.Lock()
	r.waiting = false
	r.mu.Unlock()
	r.turn <- c
	synctest.Wait()
	if c.fault == Crash {
		x.dead[r.process] = true
	}
	// A call that was refused has no effect: a lost answer is the same as Fail, and
	// a crash the same as one before the call.
	if c.fault&(Lost|Crash) != 0 && x.lastErr() != nil && !x.chooser.exact() {
		x.prune()
	}
}

func (x *Execution) lastErr() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.log[len(x.log)-1].err
}

// prune ends the execution, which repeats another one.
func (x *Execution) prune() {
	x.mu.Lock()
	x.pruned = true
	x.mu.Unlock()
	x.stop()
}

// stop ends all requests and the scenario where they are.
func (x *Execution) stop() {
	for _, r := range x.requests {
		x.dead[r.process] = true
	}
	x.endDead()
	runtime.Goexit()
}

const (
	endless  = 500 // calls
	pause    = 50 * time.Millisecond
	patience = 40 // pauses, in which a request that waits for no other goes on
)

// settle gives all requests the time to reach their next call.
func (x *Execution) settle() {
	for range patience {
		synctest.Wait()
		if x.settled() {
			return
		}
		time.Sleep(pause)
	}
	synctest.Wait()
}

func (x *Execution) settled() bool {
	for _, r := range x.requests {
		r.mu.Lock()
		settled := r.done || r.waiting || x.dead[r.process]
		r.mu.Unlock()
		if !settled {
			return false
		}
	}
	return true
}

// choices returns what can happen next.
func (x *Execution) choices() []choice {
	var choices []choice
	faults := x.chooser.faults(x.taken)
	for i, r := range x.requests {
		r.mu.Lock()
		waiting, writes := r.waiting, r.call.Writes
		r.mu.Unlock()
		if !waiting || x.dead[r.process] {
			continue
		}
		choices = append(choices, choice{request: i})
		for _, fault := range []Fault{Fail, Lost, Crash} {
			if faults&fault != 0 && (writes || fault == Fail) {
				choices = append(choices, choice{i, fault})
			}
		}
	}
	return choices
}

// endDead lets the goroutines of crashed processes come to their end. Their calls do
// not reach the store.
func (x *Execution) endDead() {
	close(x.over)
	for range 10 * patience {
		var waiting []*Request
		running := false
		synctest.Wait()
		for _, r := range x.requests {
			r.mu.Lock()
			if r.waiting {
				waiting = append(waiting, r)
				r.waiting = false
			}
			running = running || !r.done
			r.mu.Unlock()
		}
		for _, r := range waiting {
			r.turn <- choice{request: -1}
		}
		if !running {
			break
		}
		if len(waiting) == 0 {
			time.Sleep(time.Second)
		}
	}
	x.over = make(chan struct{})
	x.requests = nil
}

// Step does something when the explorer chooses to. It is for the goroutines of
// requests, whose context ctx is; for others it does it at once. The error is that
// of do, or a fault.
func (x *Execution) Step(ctx context.Context, call Call, do func(context.Context) error) error {
	r, _ := ctx.Value(requestKey{}).(*Request)
	if r == nil {
		return do(ctx)
	}
	over := x.over
	r.mu.Lock()
	r.call, r.waiting = call, true
	r.mu.Unlock()
	c := <-r.turn
	if c.request < 0 {
		return errDead
	}
	err := error(ErrFault)
	if c.fault != Fail {
		err = do(ctx)
	}
	x.mu.Lock()
	x.log = append(x.log, logged{c, call, err})
	x.mu.Unlock()
	switch c.fault {
	case Lost:
		err = ErrFault
	case Crash:
		<-over
		err = errDead
	}
	return err
}

// Errorf reports that the execution is not as it has to be. Any goroutine may call
// it.
func (x *Execution) Errorf(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.messages = append(x.messages, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// number returns the place of a key in the order in which the keys came to be.
func (x *Execution) number(key string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.keys[key]
	if n == 0 {
		n = len(x.keys) + 1
		x.keys[key] = n
	}
	return n
}

func (x *Execution) failed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.messages) > 0 && !x.pruned
}

func (x *Execution) failure() *Failure {
	return &Failure{x.taken.String(), strings.Join(x.messages, "\n"), x.formatLog()}
}

func (x *Execution) formatLog() string {
	var b strings.Builder
	for _, l := range x.log {
		fmt.Fprintf(&b, "%d: %s", l.request, l.call.Name)
		for _, key := range l.call.Keys {
			fmt.Fprintf(&b, " k%d", x.number(key))
		}
		fmt.Fprintf(&b, " = %v", l.err)
		switch l.fault {
		case Lost:
			b.WriteString(" (the answer is lost)")
		case Crash:
			b.WriteString(" (then the process crashes)")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// execute runs the scenario once.
func execute(t *testing.T, c chooser, scenario func(*Execution)) *Execution {
	x := &Execution{chooser: c, dead: map[int]bool{}, keys: map[string]int{}}
	synctest.Test(t, func(*testing.T) {
		x.over = make(chan struct{}) // of this bubble
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer func() {
				for _, do := range x.cleanups {
					do()
				}
			}()
			scenario(x)
		}()
		<-ended
	})
	return x
}
