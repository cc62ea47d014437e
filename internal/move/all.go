package move

import (
	"context"
	"errors"
	"sync"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/bounded"
)

// stepTimeout bounds the move of each session and each step of a listing. A process that was
// suspended for longer must not continue with a record that it has read before.
const stepTimeout = 10 * time.Second

// All moves all sessions of a store.
type All struct {
	Parallel int                   // how many sessions are moved concurrently; at least 1
	Counts   func(key string) bool // reports whether a key is a session's; other records move without being counted
	Progress func(Progress)        // if not nil, called after each session, by the goroutine that called Move
}

// Progress tells how far a Move is.
type Progress struct {
	Total int // sessions that the old store had at the beginning, or Done if that is more
	Done  int // sessions that were processed
	Moved int // sessions that this Move has moved
	Left  int // sessions that stay, because the new store can't hold them or they can't be read
}

// Move moves all sessions from one store to another while applications use both through the Store
// of [New]. It stops at the first error of a store, and returns the progress with every error.
// Sessions that have moved stay in the new store, so Move can be called again.
func (a All) Move(ctx context.Context, to, from driver.Store) (Progress, error) {
	if err := errIfSame(ctx, to, from); err != nil {
		return Progress{}, err
	}
	m := moving{all: a, store: New(to, from)}
	for key, err := range bounded.List(ctx, stepTimeout, from.Sessions) {
		if err != nil {
			return m.progress, err
		}
		if a.Counts(key) {
			m.progress.Total++
		}
	}
	err := m.run(ctx)
	return m.progress, err
}

func errIfSame(ctx context.Context, to, from driver.Store) error {
	var same bool
	err := bounded.Call(ctx, stepTimeout, func(ctx context.Context) (err error) {
		same, err = Shows(ctx, to, from)
		return err
	})
	if same {
		return errors.New("the two stores are one backend, or one is made of the other; nothing was moved")
	}
	return err
}

// moving is a Move under way. The goroutine that called Move counts the outcomes.
type moving struct {
	all      All
	store    *Store
	progress Progress

	done    chan outcome  // from the goroutines that move sessions
	counted chan struct{} // answers done, so that Progress can cancel before the next session moves
	stopped chan struct{} // closed when outcomes are no longer counted
}

// outcome is the outcome of one session.
type outcome struct{ moved, left bool }

// run moves the sessions that the old store lists in several goroutines, and counts them.
func (m *moving) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m.done, m.counted, m.stopped = make(chan outcome), make(chan struct{}), make(chan struct{})
	defer close(m.stopped) // frees the other goroutines if Progress panics
	keys := make(chan string)
	var wg sync.WaitGroup
	for range m.all.Parallel {
		wg.Go(func() { m.moveAll(ctx, keys, cancel) })
	}
	var err error
	go func() {
		err = m.list(ctx, keys)
		close(keys)
		wg.Wait()
		close(m.done)
	}()
	for result := range m.done {
		m.count(result)
		m.counted <- struct{}{}
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// moveAll moves sessions until there are no more keys, or outcomes are no longer counted.
func (m *moving) moveAll(ctx context.Context, keys <-chan string, cancel context.CancelCauseFunc) {
	for key := range keys {
		result, counts, err := m.move(ctx, key)
		switch {
		case err != nil:
			cancel(err)
		case counts && !m.report(result):
			return
		}
	}
}

// report waits until a result has been counted. It reports false if it is not counted any more.
func (m *moving) report(result outcome) bool {
	select {
	case m.done <- result:
	case <-m.stopped:
		return false
	}
	select {
	case <-m.counted:
		return true
	case <-m.stopped:
		return false
	}
}

func (m *moving) list(ctx context.Context, keys chan<- string) error {
	for key, err := range bounded.List(ctx, stepTimeout, m.store.old.Sessions) {
		if err != nil {
			return err
		}
		select {
		case keys <- key:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// move moves one record. counts is true if the record is a session's, or could not be moved.
func (m *moving) move(ctx context.Context, key string) (result outcome, counts bool, _ error) {
	var moved bool
	err := bounded.Call(ctx, stepTimeout, func(ctx context.Context) (err error) {
		moved, err = m.store.Move(ctx, key)
		return err
	})
	left := errors.Is(err, driver.ErrTooLarge) || errors.Is(err, driver.ErrCorrupt)
	if err != nil && !left {
		return outcome{}, false, err
	}
	return outcome{moved, left}, left || m.all.Counts(key), nil
}

func (m *moving) count(result outcome) {
	m.progress.Done++
	m.progress.Total = max(m.progress.Total, m.progress.Done)
	if result.moved {
		m.progress.Moved++
	}
	if result.left {
		m.progress.Left++
	}
	if m.all.Progress != nil {
		m.all.Progress(m.progress)
	}
}
