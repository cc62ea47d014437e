package drivertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"gosession.dev/session/driver"
)

const (
	ownAnswer    = "Answers: a record that is returned must be the record of the key that was asked for."
	noLateAnswer = "The answer to an abandoned call must not reach a later call."
)

var answerChecks = []check{
	{name: "Answers/KeyAsked", server: true, in: "package driver", rule: ownAnswer, fn: answersKeyAsked},
	{name: "Answers/Abandoned", server: true, in: "package driver", rule: noLateAnswer, fn: answersAbandoned},
}

// The records differ only in their keys, and one of them has had another key.
func answersKeyAsked(t *trial) {
	s := t.open()
	records := t.records(5)
	for _, r := range records {
		r.Data = []byte("the same")
		s.create(r, nil)
	}
	moved := renamed(records[0], t.key())
	s.changeID(records[0].Key, moved, nil)
	records[0] = moved
	for _, r := range records {
		s.holds(r, "Key")
	}
	t.allSucceed(len(records), func(i int) error { return s.sees(records[i]) })
}

// Many goroutines abandon some of their calls, at any moment up to twice the time that a call
// takes. Each call that is not abandoned gets its own answer.
func answersAbandoned(t *trial) {
	const askers, rounds, enough = 8, 60, 1500 * time.Millisecond
	handles := []*handle{t.open(), t.open()}
	records := make([]*driver.Record, askers)
	for i := range records {
		records[i] = t.record()
		handles[0].create(records[i], nil)
	}
	mean := t.meanRetrieve(handles[0], records[0].Key)
	start := time.Now()
	t.allSucceed(askers, func(i int) error {
		a := asker{handles[i%2], records[i].Key, 2 * mean}
		for n := 0; n < rounds && time.Since(start) < enough; n++ {
			a.abandon(n)
			if err := a.ask(n); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *trial) meanRetrieve(s *handle, key string) time.Duration {
	const calls = 20
	start := time.Now()
	for range calls {
		s.retrieve(key)
	}
	return max(time.Since(start)/calls, 10*time.Microsecond)
}

// An asker makes calls about a key of its own, which no other goroutine writes.
type asker struct {
	*handle
	key  string
	most time.Duration // that an abandoned call is given
}

// abandon makes a call whose context ends before it returns, or soon after.
func (a asker) abandon(n int) {
	ctx, cancel := context.WithTimeout(a.t.ctx, rand.N(a.most))
	defer cancel()
	switch n % 4 {
	case 0:
		a.Store.Create(ctx, newRecord(fmt.Sprint(a.key, "-abandoned-", n)))
	case 1:
		a.Store.Flush(ctx, newRecord(a.key)) // its version 0 makes a conflict
	default:
		a.Store.Retrieve(ctx, a.key)
	}
}

// ask makes calls that are not abandoned, and returns an error if an answer is wrong.
func (a asker) ask(n int) error {
	ctx := a.t.ctx
	if err := a.sees(newRecord(a.key)); err != nil {
		return fmt.Errorf("Retrieve(%q) after an abandoned call: %w", a.key, err)
	}
	fresh := newRecord(fmt.Sprint(a.key, "-fresh-", n))
	switch n % 4 {
	case 0:
		_, err := a.Store.Retrieve(ctx, fresh.Key)
		return unless(err, driver.ErrNotFound, "Retrieve(%q) after an abandoned call", fresh.Key)
	case 1:
		if err := a.Store.Create(ctx, fresh); err != nil {
			return unless(err, nil, "Create(%q) after an abandoned call", fresh.Key)
		}
		return a.sees(fresh)
	case 2:
		err := a.Store.Flush(ctx, newRecord(a.key))
		return unless(err, driver.ErrConflict, "Flush(%q) of version 0 after an abandoned call", a.key)
	}
	err := a.Store.Destroy(ctx, fresh.Key)
	return unless(err, driver.ErrNotFound, "Destroy(%q) after an abandoned call", fresh.Key)
}
