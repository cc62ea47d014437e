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

// Execution is one execution of a scenario. Only the scenario's goroutine may call its methods,
// unless their comments say otherwise.
type Execution struct {
	chooser  chooser
	requests []*Request
	dead     map[int]bool // the processes that have crashed
	taken    schedule
	cleanups []func()
	over     chan struct{} // closed when the goroutines of crashed processes may return

	mu       sync.Mutex     // guards the fields below
	keys     map[string]int // numbers of keys in the order of their first use, from 1
	log      []logged
	messages []string
	pruned   bool // the execution would repeat another one
}

// chooser decides how an execution continues.
type chooser interface {
	// choose returns one of choices, which is never empty, or false to cut the execution short.
	choose(x *Execution, choices []choice) (choice, bool)

	// faults returns the faults that may happen after the choices in taken.
	faults(taken schedule) Fault

	// exact reports whether to execute schedules that have the same effect as others.
	exact() bool
}

// Request is a goroutine whose calls the explorer puts in order.
type Request struct {
	index   int
	process int
	turn    chan choice // received by the call that waits

	mu      sync.Mutex // guards the fields below
	waiting bool       // call waits at a gate
	call    Call
	done    bool
	ended   bool // done before its process crashed
}

type logged struct {
	choice
	call Call
	err  error
}

// The errors of calls that fail. They match no error of package driver.
var (
	// ErrFault is the error of a call with the fault Fail or Lost.
	ErrFault = errors.New("explore: the store fails")

	errDead = errors.New("explore: the process has crashed")
)

type requestKey struct{}

// Go starts a request in a process. The request must make its calls with contexts that are
// derived from ctx.
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

// Ended reports whether the request has ended, and its process had not crashed before.
func (r *Request) Ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// Crashed reports whether the process has crashed.
func (x *Execution) Crashed(process int) bool { return x.dead[process] }

// Count returns the number of faults of the given kinds that have happened.
func (x *Execution) Count(kinds Fault) int {
	n := 0
	for _, c := range x.taken {
		if c.fault&kinds != 0 {
			n++
		}
	}
	return n
}

// Hit reports whether a fault of the given kinds has hit a call with the given name.
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

// Cleanup calls do at the end of the execution.
func (x *Execution) Cleanup(do func()) { x.cleanups = append(x.cleanups, do) }

// Wait lets the requests make their calls, one at a time, until all have ended.
func (x *Execution) Wait() {
	for {
		x.settle()
		choices := x.choices()
		if len(choices) == 0 {
			break
		}
		if len(x.taken) == maxCalls {
			x.Errorf("the execution has not ended after %d calls", maxCalls)
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
			x.Errorf("request %d hangs: it neither ends nor makes a call", r.index)
		}
	}
	x.endDead()
}

// pass lets one call pass its gate.
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
	// A call that returns an error has no effect. So Lost is the same as Fail, and Crash the same
	// as a crash before the call, and other executions cover both.
	if c.fault&(Lost|Crash) != 0 && x.lastErr() != nil && !x.chooser.exact() {
		x.prune()
	}
}

func (x *Execution) lastErr() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.log[len(x.log)-1].err
}

// prune ends the execution, because it would repeat another one.
func (x *Execution) prune() {
	x.mu.Lock()
	x.pruned = true
	x.mu.Unlock()
	x.stop()
}

// stop ends all requests, and the scenario's goroutine.
func (x *Execution) stop() {
	for _, r := range x.requests {
		x.dead[r.process] = true
	}
	x.endDead()
	runtime.Goexit()
}

const (
	maxCalls = 500 // in an execution
	pause    = 50 * time.Millisecond
	patience = 40 // pauses; after them a request that has made no call waits for another request
)

// settle waits until each request has ended, has reached its next call, or waits for another
// request.
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

// choices returns all choices for the next step.
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

// endDead lets the goroutines of crashed processes return. Their calls fail and do not reach the
// store.
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

// Step waits at a gate until the explorer chooses the call, and then calls do, which makes the
// call. It returns the error of do, or that of a fault. Step is called by the goroutines of
// requests, with a context derived from that of the request. With any other context it calls do
// at once.
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
	err := ErrFault
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

// Errorf reports that the execution is wrong. Any goroutine may call it.
func (x *Execution) Errorf(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.messages = append(x.messages, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// number returns the number of a key, in the order in which keys were first used.
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
		x.over = make(chan struct{}) // a channel must belong to this bubble
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
