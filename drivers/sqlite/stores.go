package sqlite

import (
	"os"
	"sync"
)

// stores holds the connectors of all open stores of the process. SQLite keeps state per file and
// process, so the stores of a file drop their connections together.
var stores struct {
	mu   sync.Mutex // guards open
	open map[*connector]struct{}
}

// register adds c to stores.
func (c *connector) register() {
	stores.mu.Lock()
	defer stores.mu.Unlock()
	if stores.open == nil {
		stores.open = map[*connector]struct{}{}
	}
	stores.open[c] = struct{}{}
}

// unregister removes c from stores.
func (c *connector) unregister() {
	stores.mu.Lock()
	defer stores.mu.Unlock()
	delete(stores.open, c)
}

// ofSameFile returns the connectors of the open stores that use the file of c, including c.
func (c *connector) ofSameFile() []*connector {
	same := []*connector{c}
	file := c.file.Load()
	if file == nil {
		return same
	}
	stores.mu.Lock()
	defer stores.mu.Unlock()
	for other := range stores.open {
		if f := other.file.Load(); other != c && f != nil && os.SameFile(*f, *file) {
			same = append(same, other)
		}
	}
	return same
}

// dropConnections makes the stores of the file of c open new connections. It closes idle connections
// at once; the pool closes the others when they become idle.
func (c *connector) dropConnections() {
	if c.dsn.path == "" {
		return // a database in memory is lost when its connection closes
	}
	for _, each := range c.ofSameFile() {
		each.generations.begin()
		each.pool.SetMaxIdleConns(-1)
		each.pool.SetMaxIdleConns(each.size)
	}
}
