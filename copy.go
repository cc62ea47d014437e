package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/move"
)

// CopyOptions say how [Copy] goes about it. The zero value is for what can be done
// beside the load of production.
type CopyOptions struct {
	// Parallel is how many sessions are moved at once; the default is 8.
	Parallel int

	// Progress is called after each session, by one goroutine at a time.
	Progress func(CopyStats)
}

// CopyStats is how far a [Copy] is.
type CopyStats struct {
	Total int // live sessions that src had when it began
	Done  int // sessions that were looked at
	Moved int // sessions that this Copy has moved; others had moved before, or have ended
	Left  int // sessions that dst can't hold, or that can't be read; they stay in src
}

// Copy moves all live sessions of src to dst, while applications use both by the
// driver of drivers/migrate: no session is lost, no update, and nobody is signed out.
// Keys stay what they are, and so do the cookies. It can be run again after an error,
// or for what has begun in src meanwhile: what has moved stays moved.
//
// An application that uses only src while Copy runs does not find sessions that have moved,
// and can't read sessions that are being moved. After an error, run Copy again before such
// an application starts. To move while no application runs, nothing is needed but Copy.
//
// An error of either store ends it, with what was done so far. If src can't list, the
// error matches [errors.ErrUnsupported]. If moving one session takes longer than 10 s, that
// is an error too: a process that was suspended must not go on with an old record.
func Copy(ctx context.Context, dst, src driver.Store, o CopyOptions) (CopyStats, error) {
	for _, store := range []driver.Store{dst, src} {
		if _, clientSide := store.(driver.ClientSide); clientSide {
			return CopyStats{}, wrap("copy", errors.ErrUnsupported)
		}
	}
	if err := errIfSame(ctx, dst, src); err != nil {
		return CopyStats{}, wrap("copy", err)
	}
	c := copying{store: move.New(dst, src), progress: o.Progress}
	for key, err := range inSteps(ctx, copyTimeout, src.Sessions) {
		if err != nil {
			return c.stats, wrap("copy", err)
		}
		if Key(key).isSession() {
			c.stats.Total++
		}
	}
	if o.Parallel < 1 {
		o.Parallel = 8
	}
	return c.stats, wrap("copy", c.run(ctx, src, o.Parallel))
}

func errIfSame(ctx context.Context, dst, src driver.Store) error {
	ctx, cancel := context.WithTimeoutCause(ctx, copyTimeout, noAnswerError{copyTimeout})
	defer cancel()
	same, err := move.Shows(ctx, dst, src)
	if same {
		return errors.New("the two stores are one backend, or one is made of the other; nothing was moved")
	}
	return explain(ctx, err)
}

// copyTimeout bounds each move of a session, and each step of a listing.
const copyTimeout = 10 * time.Second

// copying is a Copy under way.
type copying struct {
	store    *move.Store
	progress func(CopyStats)

	mu    sync.Mutex // guards what follows
	stats CopyStats
}

// run has some goroutines move what src lists.
func (c *copying) run(ctx context.Context, src driver.Store, parallel int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys := make(chan string)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for key := range keys {
				if err := c.move(ctx, key); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := c.list(ctx, src, keys)
	close(keys)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (c *copying) list(ctx context.Context, src driver.Store, keys chan<- string) error {
	for key, err := range inSteps(ctx, copyTimeout, src.Sessions) {
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

func (c *copying) move(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, copyTimeout, noAnswerError{copyTimeout})
	defer cancel()
	moved, err := c.store.Move(ctx, key)
	err = explain(ctx, err)
	left := errors.Is(err, ErrTooLarge) || errors.Is(err, ErrCorrupt)
	if err != nil && !left {
		return err
	}
	if !left && !Key(key).isSession() {
		return nil // the mark of a subject
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Done++
	c.stats.Total = max(c.stats.Total, c.stats.Done)
	if moved {
		c.stats.Moved++
	}
	if left {
		c.stats.Left++
	}
	if c.progress != nil {
		c.progress(c.stats)
	}
	return nil
}
