package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gosession.dev/session/drivertest/netfault"
)

// use is what a store has in use: the goroutines that were started since [trial.marksGoroutines],
// and connections to its proxy. Other tests of the process do not count.
type use struct{ goroutines, connections int }

var marked atomic.Int64 // how many trials have marked their goroutines

// marksGoroutines labels the goroutine of the check, and so all goroutines that it starts from now
// on, and those that they start.
func (t *trial) marksGoroutines() {
	t.label = fmt.Sprint(marked.Add(1))
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("drivertest", t.label)))
}

// inUse returns what the store behind proxy has in use.
func (t *trial) inUse(proxy *netfault.Proxy) use {
	u := use{connections: proxy.Connections()}
	for _, stack := range t.stacks() {
		n, _, _ := strings.Cut(stack, " ")
		count, _ := strconv.Atoi(n)
		u.goroutines += count
	}
	return u
}

// stacks returns the stacks of the labelled goroutines. Each begins with the number of goroutines
// that have it.
func (t *trial) stacks() (labelled []string) {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
	label := fmt.Sprintf(`"drivertest":%q`, t.label)
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, label) {
			if rest, first := strings.CutPrefix(stack, "goroutine profile:"); first {
				_, stack, _ = strings.Cut(rest, "\n")
			}
			labelled = append(labelled, stack)
		}
	}
	return labelled
}

// usesAtMost waits until the store behind proxy has no more in use than most, and returns an error
// if that does not happen soon.
func (t *trial) usesAtMost(most use, proxy *netfault.Proxy) error {
	var now use
	for start := time.Now(); time.Since(start) < hung; time.Sleep(20 * time.Millisecond) {
		if now = t.inUse(proxy); now.goroutines <= most.goroutines && now.connections <= most.connections {
			return nil
		}
	}
	return fmt.Errorf("%d goroutines and %d connections in use; want %d and %d at most\n%s",
		now.goroutines, now.connections, most.goroutines, most.connections, strings.Join(t.stacks(), "\n\n"))
}
