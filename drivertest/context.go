package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	contextDone = "Context: if its context is done, a method must return an error for which errors.Is(err, ctx.Err()) holds, " +
		"and must not write."
	loopsLook = "Loops: a method that tries again (after a taken key, a lost race, a busy server) must check its context in each round, " +
		"and gives up after a round that has changed nothing, with an error that names the cause."
	contextWaits = "A method that waits for the backend returns when its context is done."
)

var contextChecks = []check{
	{name: "Context/Cancelled", in: "package driver", rule: contextDone, fn: contextCancelled},
	{name: "Context/Expired", in: "package driver", rule: contextDone, fn: contextExpired},
	{name: "Context/Cause", in: "package driver", rule: contextDone, fn: contextCause},
	{name: "Context/WritesNothing", in: "package driver", rule: contextDone, fn: contextWritesNothing},
	{name: "Context/Contended", server: true, in: "package driver", rule: loopsLook, fn: contextContended},
	{name: "Context/Dead", in: "package driver", rule: contextWaits, given: "DeadDSN", fn: contextDead},
}

func contextCancelled(t *trial) {
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	t.failsWith(ctx, "cancelled")
}

// errCause is the cause of a cancelled context, which ctx.Err does not return.
var errCause = errors.New("drivertest: the client has gone")

func contextCause(t *trial) {
	ctx, cancel := context.WithCancelCause(t.ctx)
	cancel(errCause)
	t.failsWith(ctx, "cancelled with a cause")
}

func contextExpired(t *trial) {
	ctx, cancel := context.WithDeadline(t.ctx, time.Now().Add(-time.Second))
	defer cancel()
	t.failsWith(ctx, "expired")
}

// failsWith checks that every method returns the error of ctx, which is done.
func (t *trial) failsWith(ctx context.Context, state string) {
	t.Helper()
	s := t.open()
	r := t.record()
	s.create(r, nil)
	for _, m := range t.works(s.Store) {
		if err := m.call(ctx, s.Store, r); !errors.Is(err, ctx.Err()) {
			t.Errorf("%s with a context that is %s = %s; want %s", m.name, state, text(err), text(ctx.Err()))
		}
	}
}

func contextWritesNothing(t *trial) {
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	s := t.open()
	for _, m := range t.has(s.Store) {
		r := t.record()
		s.create(r, nil)
		before := s.retrieve(r.Key)
		m.call(ctx, s.Store, r)
		s.unchanged(before)
		s.lacks(r.Key+"-created", r.Key+"-moved")
	}
}

// All methods are called at once, and each waits until its deadline.
func contextDead(t *trial) {
	s := t.openDSN(t.tgt.DeadDSN(t.TB))
	t.callsDead(s, func(_ method, err error) error {
		if err := untimely(err); err != nil {
			return fmt.Errorf("on a server that never answers, %w; want an error soon after that", err)
		}
		return nil
	})
}

// callsDead calls every method of a store whose server never answers, and fails the check if
// judge returns an error. Ping has a check of its own.
func (t *trial) callsDead(s *handle, judge func(m method, err error) error) {
	t.Helper()
	ms := slices.DeleteFunc(t.has(s.Store), func(m method) bool { return m.name == "Ping" })
	t.allSucceed(len(ms), func(i int) error {
		err := t.timed(ms[i].name, func(ctx context.Context) error {
			r := newRecord(fmt.Sprint("dead-", i))
			r.Version = 1
			return ms[i].call(ctx, s.Store, r)
		})
		return judge(ms[i], err)
	})
}
