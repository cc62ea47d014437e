package memcache

import (
	"hash/fnv"
	"net"

	"github.com/dgryski/go-rendezvous"
)

// servers picks one server for each key, such that another server takes over its
// share of the keys and no others move: gomemcache's own list moves almost all.
// It is a gomemcache ServerSelector.
type servers struct {
	byName map[string]net.Addr
	addrs  []net.Addr
	hash   *rendezvous.Rendezvous
}

func newServers(addrs []net.Addr) *servers {
	s := &servers{byName: map[string]net.Addr{}, addrs: addrs}
	var names []string
	for _, a := range addrs {
		names = append(names, a.String())
		s.byName[a.String()] = a
	}
	// All processes of a fleet have to agree, so the hash has no seed.
	s.hash = rendezvous.New(names, func(text string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(text))
		return h.Sum64()
	})
	return s
}

func (s *servers) PickServer(key string) (net.Addr, error) {
	return s.byName[s.hash.Lookup(key)], nil
}

func (s *servers) Each(f func(net.Addr) error) error {
	for _, a := range s.addrs {
		if err := f(a); err != nil {
			return err
		}
	}
	return nil
}
