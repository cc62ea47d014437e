package sqlite

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// generations counts the open connections of a store. A new generation begins when the existing
// connections must not be used again. SQLite keeps state per file and process while any connection
// is open, for example read-only shared memory. So the first connection of a generation is opened
// after all earlier ones are closed.
type generations struct {
	present atomic.Int64 // the number of the present generation; written with mu held

	mu      sync.Mutex    // guards open, earlier and gone
	open    int           // connections of the present generation
	earlier int           // connections of earlier generations
	gone    chan struct{} // closed when earlier becomes 0; nil while it is 0
}

// enterTime is the maximum time that a new connection waits for earlier ones, which may be executing
// their last statement.
const enterTime = time.Second

// enter waits until no connection of an earlier generation is open, or until ctx ends. It then
// counts a connection that the caller is about to open, and returns its generation.
func (g *generations) enter(ctx context.Context) int64 {
	for {
		g.wait(ctx)
		g.mu.Lock()
		if g.gone == nil || ctx.Err() != nil {
			defer g.mu.Unlock()
			g.open++
			return g.present.Load()
		}
		g.mu.Unlock()
	}
}

// wait waits until no connection of an earlier generation is open, or until ctx ends.
func (g *generations) wait(ctx context.Context) {
	g.mu.Lock()
	gone := g.gone
	g.mu.Unlock()
	if gone == nil {
		return
	}
	select {
	case <-gone:
	case <-ctx.Done():
	}
}

// leave counts a closed connection of a generation.
func (g *generations) leave(generation int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if generation == g.present.Load() {
		g.open--
		return
	}
	g.earlier--
	if g.earlier == 0 {
		close(g.gone)
		g.gone = nil
	}
}

// begin starts a new generation.
func (g *generations) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.present.Add(1)
	g.earlier, g.open = g.earlier+g.open, 0
	if g.earlier > 0 && g.gone == nil {
		g.gone = make(chan struct{})
	}
}
