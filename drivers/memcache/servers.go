package memcache

import (
	"hash/fnv"
	"net"

	"github.com/dgryski/go-rendezvous"
)

// servers is a gomemcache ServerSelector that picks a server for each key by rendezvous hashing.
// A server that is added takes over its share of the keys, and no other key moves; with
// gomemcache's own ServerList almost all move.
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
	// The hash has no seed, because all processes have to pick the same server.
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
