package memory

import (
	"errors"
	"sync"
)

var (
	sharedMu sync.Mutex // guards shared
	shared   = map[string]*sharedRecords{}
)

// sharedRecords are the records of a name.
type sharedRecords struct {
	*records
	users int // open stores
}

// openShared opens a store over the records of a name, and makes them if no open store has them.
func openShared(name string, o Options) (*store, error) {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	sr := shared[name]
	switch {
	case sr == nil:
		sr = &sharedRecords{records: newRecords(o)}
		shared[name] = sr
	case o.MaxSessions != 0 && o.MaxSessions != sr.max:
		return nil, errors.New("memory: a store of this name is open with another max_sessions; give the same number, or none")
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
