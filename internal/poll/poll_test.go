package poll_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/poll"
)

// target counts its looks, and asks for the next one after wait.
type target struct {
	poll.Item
	wait   time.Duration
	looks  atomic.Int64
	closed atomic.Int64
	during func(ctx context.Context) // called during a look, if not nil
}

func (t *target) Look(ctx context.Context) time.Duration {
	t.looks.Add(1)
	if t.during != nil {
		t.during(ctx)
	}
	return t.wait
}

func (t *target) Closed() { t.closed.Add(1) }

// looked lets time pass and returns the number of looks at t in it.
func (t *target) looked(after time.Duration) int {
	before := t.looks.Load()
	time.Sleep(after)
	synctest.Wait()
	return int(t.looks.Load() - before)
}

const (
	byKey = iota
	byUser
)

func polled(t *testing.T, test func(t *testing.T, p *poll.Poller)) {
	synctest.Test(t, func(t *testing.T) {
		p := poll.New()
		defer p.Close()
		test(t, p)
	})
}

// The poller looks at each target when it is added and when it is due, whatever others ask for.
func TestTargetsAreDue(t *testing.T) {
	polled(t, func(t *testing.T, p *poll.Poller) {
		slow, fast := &target{wait: time.Hour}, &target{wait: time.Second}
		require.True(t, p.Add(&slow.Item, slow, poll.Names{}))
		require.True(t, p.Add(&fast.Item, fast, poll.Names{}))
		require.Equal(t, 1, slow.looked(0))
		require.EqualValues(t, 1, fast.looks.Load())
		require.Equal(t, 59, fast.looked(59*time.Second+time.Millisecond))
		require.Equal(t, 1, slow.looked(time.Hour))
		p.Remove(&fast.Item)
		require.Zero(t, fast.looked(time.Hour))
		require.Equal(t, 1, p.Len())
	})
}

func TestWake(t *testing.T) {
	polled(t, func(t *testing.T, p *poll.Poller) {
		a1, a2, b := &target{wait: time.Hour}, &target{wait: time.Hour}, &target{wait: time.Hour}
		p.Add(&a1.Item, a1, poll.Names{"1", "ada"})
		p.Add(&a2.Item, a2, poll.Names{"2", "ada"})
		p.Add(&b.Item, b, poll.Names{"3"})
		wake := func(by int, name string) []int {
			before := []int64{a1.looks.Load(), a2.looks.Load(), b.looks.Load()}
			p.Wake(by, name, "")
			synctest.Wait()
			return []int{int(a1.looks.Load() - before[0]), int(a2.looks.Load() - before[1]), int(b.looks.Load() - before[2])}
		}
		synctest.Wait()
		require.Equal(t, []int{1, 0, 0}, wake(byKey, "1"))
		require.Equal(t, []int{1, 1, 0}, wake(byUser, "ada"))
		require.Equal(t, []int{0, 0, 0}, wake(byUser, "1"))
		require.Equal(t, []int{0, 0, 0}, wake(byUser, ""), "an empty name finds nothing")

		p.Rename(&a1.Item, poll.Names{"4", "bob"})
		require.Equal(t, []int{0, 0, 0}, wake(byKey, "1"))
		require.Equal(t, []int{1, 0, 0}, wake(byKey, "4"))
		require.Equal(t, []int{0, 1, 0}, wake(byUser, "ada"))
		require.Equal(t, []int{1, 0, 0}, wake(byUser, "bob"))

		p.Remove(&a1.Item)
		require.Equal(t, []int{0, 0, 0}, wake(byKey, "4"))
		require.Equal(t, 1, b.looked(time.Hour), "a target that is not woken stays due")
	})
}

// A target that is woken during a look gets another look, with the hint.
func TestWakeDuringLook(t *testing.T) {
	polled(t, func(t *testing.T, p *poll.Poller) {
		a, hints := &target{wait: time.Hour}, []string{}
		a.during = func(context.Context) {
			hints = append(hints, p.Hint(&a.Item))
			time.Sleep(time.Second)
			hints = append(hints, p.Hint(&a.Item))
		}
		p.Add(&a.Item, a, poll.Names{"1"})
		synctest.Wait()
		p.Wake(byKey, "1", "signed out")
		require.Equal(t, 1, a.looked(time.Minute))
		require.Equal(t, []string{"", "signed out", "signed out", "signed out"}, hints)
		require.Empty(t, p.Hint(&a.Item))
		require.Equal(t, 1, a.looked(time.Hour))
	})
}

// Looks run concurrently, but only 32 at a time.
func TestLooksAreBounded(t *testing.T) {
	polled(t, func(t *testing.T, p *poll.Poller) {
		var running, most, looks atomic.Int64
		for range 100 {
			a := &target{wait: time.Hour}
			a.during = func(context.Context) {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(time.Second)
				running.Add(-1)
				looks.Add(1)
			}
			p.Add(&a.Item, a, poll.Names{})
		}
		time.Sleep(time.Minute)
		require.EqualValues(t, 100, looks.Load())
		require.EqualValues(t, 32, most.Load())
	})
}

func TestRemoveDuringLook(t *testing.T) {
	polled(t, func(t *testing.T, p *poll.Poller) {
		a := &target{wait: time.Second}
		a.during = func(context.Context) { p.Remove(&a.Item) }
		p.Add(&a.Item, a, poll.Names{"1", "ada"})
		require.Equal(t, 1, a.looked(time.Hour))
		require.Zero(t, p.Len())
	})
}

// Close ends looks, waits for them, and calls Closed of each target once.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := poll.New()
		idle, busy := &target{wait: time.Hour}, &target{}
		var ended bool
		busy.during = func(ctx context.Context) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
		}
		p.Add(&idle.Item, idle, poll.Names{"1"})
		p.Add(&busy.Item, busy, poll.Names{"2"})
		synctest.Wait()
		p.Close()
		require.True(t, ended)
		p.Close()
		require.EqualValues(t, 1, idle.closed.Load())
		require.EqualValues(t, 1, busy.closed.Load())

		late := &target{}
		require.False(t, p.Add(&late.Item, late, poll.Names{}))
		p.Wake(byKey, "1", "")
		p.Remove(&idle.Item)
		require.Zero(t, late.looked(time.Hour))
	})
}

// The longest possible waits do not overflow.
func TestLongWaits(t *testing.T) {
	for _, wait := range []time.Duration{1<<63 - 1, 1<<63 - 1 - time.Hour} {
		t.Run(fmt.Sprint(wait), func(t *testing.T) {
			polled(t, func(t *testing.T, p *poll.Poller) {
				time.Sleep(24 * time.Hour)
				a := &target{wait: wait}
				p.Add(&a.Item, a, poll.Names{})
				require.Equal(t, 1, a.looked(365*24*time.Hour))
			})
		})
	}
}

// A poller without targets has no goroutine: the test would fail if one outlived the bubble.
func TestNoGoroutineWithoutTargets(t *testing.T) {
	synctest.Test(t, func(*testing.T) { poll.New() })
}
