package main

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/bounded"
	"gosession.dev/session/internal/move"
)

// copying copies the records of the store src to the store dst.
type copying struct {
	dst, src driver.Store
	replace  bool
	tell     func(done, total int)

	mu    sync.Mutex // guards stats, and is held while tell runs
	stats copyStats
}

// copyStats counts the sessions of the source by the result of copying them.
type copyStats struct {
	Total    int     `json:"total"`
	Copied   int     `json:"copied"`
	Replaced int     `json:"replaced"`
	Same     int     `json:"same"`  // already in the target, and equal
	Kept     int     `json:"kept"`  // different in the target and not replaced, or ended there by a migration
	Ended    int     `json:"ended"` // in the source, while copy was running
	Left     int     `json:"left"`  // unreadable, or too large for the target
	Seconds  float64 `json:"seconds"`
}

func (s copyStats) done() int { return s.Copied + s.Replaced + s.Same + s.Kept + s.Ended + s.Left }

// run copies the records that the source lists, with parallel goroutines. It lists them twice:
// first to count them.
func (c *copying) run(ctx context.Context, parallel int) error {
	for key, err := range bounded.List(ctx, storeTimeout, c.src.Sessions) {
		if err != nil {
			return err
		}
		if isKeyOfSession(key) {
			c.stats.Total++
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys := make(chan string)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for key := range keys {
				if err := c.copy(ctx, key); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := c.list(ctx, keys)
	close(keys)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// list sends the keys of the source to keys.
func (c *copying) list(ctx context.Context, keys chan<- string) error {
	for key, err := range bounded.List(ctx, storeTimeout, c.src.Sessions) {
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

// copy copies the record under key and counts the result. It also copies the mark of a
// subject, which it does not count.
func (c *copying) copy(ctx context.Context, key string) error {
	var count *int // a field of stats
	err := bounded.Call(ctx, storeTimeout, func(ctx context.Context) (err error) {
		count, err = c.put(ctx, key)
		return err
	})
	if err != nil {
		return err
	}
	if !isKeyOfSession(key) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	*count++
	c.stats.Total = max(c.stats.Total, c.stats.done())
	c.tell(c.stats.done(), c.stats.Total)
	return nil
}

// put copies the record under key. It returns the field of stats that counts the result.
func (c *copying) put(ctx context.Context, key string) (*int, error) {
	r, err := c.src.Retrieve(ctx, key)
	switch {
	case errors.Is(err, driver.ErrCorrupt):
		return &c.stats.Left, nil
	case errors.Is(err, driver.ErrNotFound) || err == nil && move.IsGrave(r):
		return &c.stats.Ended, nil
	case err != nil:
		return nil, err
	}
	r = move.Thawed(r)
	r.Version = 0
	err = c.dst.Create(ctx, r)
	switch {
	case errors.Is(err, driver.ErrExists):
		return c.putOver(ctx, r)
	case errors.Is(err, driver.ErrTooLarge):
		return &c.stats.Left, nil
	case err != nil:
		return nil, ofTarget(err)
	}
	return &c.stats.Copied, nil
}

// putOver is put for a record whose key exists in the target.
func (c *copying) putOver(ctx context.Context, r *driver.Record) (*int, error) {
	for ctx.Err() == nil {
		there, err := c.dst.Retrieve(ctx, r.Key)
		switch {
		case errors.Is(err, driver.ErrNotFound), err == nil && (move.IsGrave(there) || move.IsFrozen(there)):
			return &c.stats.Kept, nil
		case errors.Is(err, driver.ErrCorrupt):
			return &c.stats.Left, nil
		case err != nil:
			return nil, ofTarget(err)
		case isSame(there, r):
			return &c.stats.Same, nil
		case !c.replace:
			return &c.stats.Kept, nil
		}
		r.Version = there.Version
		err = c.dst.Flush(ctx, r)
		switch {
		case errors.Is(err, driver.ErrConflict): // it changed after it was read
			continue
		case errors.Is(err, driver.ErrNotFound):
			return &c.stats.Kept, nil
		case errors.Is(err, driver.ErrTooLarge):
			return &c.stats.Left, nil
		case err != nil:
			return nil, ofTarget(err)
		}
		return &c.stats.Replaced, nil
	}
	return nil, ctx.Err()
}

// isSame reports whether a and b agree in everything that Flush replaces.
func isSame(a, b *driver.Record) bool {
	return bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Meta, b.Meta) && a.Subject == b.Subject && a.Expires.Equal(b.Expires)
}
