package memory

import (
	"fmt"
	"sync"
)

var (
	sharedMu sync.Mutex // guards shared
	shared   = map[string]*sharedRecords{}
)

// sharedRecords are the records of a name, and how many open stores use them.
type sharedRecords struct {
	*records
	users int
}

func openShared(name string, o Options) (*store, error) {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	sr := shared[name]
	switch {
	case sr == nil:
		sr = &sharedRecords{records: newRecords(o)}
		shared[name] = sr
	case o.MaxSessions != 0 && o.MaxSessions != sr.max:
		return nil, fmt.Errorf("memory: the store of this name is open with max_sessions=%d; give the same, or none", sr.max)
	}
	sr.users++
	return &store{records: sr.records, release: func() { closeShared(name) }}, nil
}

func closeShared(name string) {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	sr := shared[name]
	if sr.users--; sr.users == 0 {
		delete(shared, name)
	}
}
