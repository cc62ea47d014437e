package memcache

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// pageSize is the number of records that a listing reads in one round trip.
const pageSize = 100

// Sessions implements [driver.Store]. It reads all keys of a server before it yields the first,
// because a server dumps its keys for one client at a time, and a slow reader would block all
// others. Then it reads the records, page by page, and skips pending copies and records that have
// ended. It takes about 64 bytes of memory for each session of a server.
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return driver.Listing(ctx, func(yield func([]string, error) bool) {
		for keys, err := range s.dumps(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			for page := range slices.Chunk(keys, pageSize) {
				if !yield(s.live(ctx, page)) {
					return
				}
			}
		}
	})
}

// live returns the keys of the live records. Pending copies are not among them.
func (s *Store) live(ctx context.Context, keys []string) ([]string, error) {
	items, err := s.fetchMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	var live []string
	epochs := map[string]*epoch{}
	for _, key := range keys {
		it := items[s.recordKey(key)]
		if it == nil {
			continue
		}
		e, err := parse(key, it)
		switch {
		case errors.Is(err, driver.ErrNotFound), errors.Is(err, driver.ErrCorrupt):
			continue
		case err != nil:
			return nil, err
		}
		ep, known := epochs[e.Subject]
		if !known && e.Subject != "" {
			if ep, err = s.epoch(ctx, e.Subject); err != nil && !errors.Is(err, driver.ErrCorrupt) {
				return nil, err
			}
			epochs[e.Subject] = ep
		}
		if e.Subject != "" && !ep.admits(key, e.epoch) {
			e, err = s.ended(ctx, e)
		}
		switch {
		case err == nil && e.kind == isRecord:
			live = append(live, key)
		case err != nil && !errors.Is(err, driver.ErrNotFound) && !errors.Is(err, driver.ErrCorrupt):
			return nil, err
		}
	}
	return live, nil
}

// fetchMany reads the items of keys, which are all on one server, and returns them by name.
func (s *Store) fetchMany(ctx context.Context, keys []string) (map[string]*memcache.Item, error) {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.recordKey(key)
	}
	found, err := s.read(ctx, names)
	items := make(map[string]*memcache.Item, len(found))
	for _, it := range found {
		items[it.Key] = it
	}
	return items, err
}

// dumps yields the keys of the store's items, server by server. It may yield several lists for one
// server.
func (s *Store) dumps(ctx context.Context) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		if err := s.usable(ctx); err != nil {
			yield(nil, err)
			return
		}
		if s.servers == nil {
			yield(nil, fmt.Errorf("memcache: Options.Servers is not set, and listing needs it: %w", errors.ErrUnsupported))
			return
		}
		for _, addr := range s.addrs() {
			if !s.dump(ctx, addr, yield) {
				return
			}
		}
	}
}

func (s *Store) addrs() (addrs []net.Addr) {
	_ = s.servers.Each(func(a net.Addr) error {
		addrs = append(addrs, a)
		return nil
	})
	return addrs
}

// dump yields the keys of a server, in the order of its hash table. In the order of its LRU queues
// the crawler would miss items that move between queues, as recently read items do. It reports
// whether the listing goes on.
func (s *Store) dump(ctx context.Context, addr net.Addr, yield func([]string, error) bool) bool {
	keys, err := s.ask(ctx, addr, "lru_crawler metadump hash", s.dumpedKey(addr))
	if errors.Is(err, errors.ErrUnsupported) {
		return s.dumpQueues(ctx, addr, yield)
	}
	return yield(keys, err) && err == nil
}

// dumpQueues is dump for servers that can only dump the LRU queues of each slab class. It dumps
// each class twice, and may still miss items that move meanwhile. It yields each key once.
func (s *Store) dumpQueues(ctx context.Context, addr net.Addr, yield func([]string, error) bool) bool {
	classes, err := s.ask(ctx, addr, "stats items", itemClass)
	if err != nil {
		return yield(nil, err) && false
	}
	seen := map[uint64]bool{}
	for _, class := range slices.Concat(classes, classes) {
		keys, err := s.ask(ctx, addr, "lru_crawler metadump "+class, s.dumpedKey(addr))
		if !yield(unseen(keys, seen), err) || err != nil {
			return false
		}
	}
	return true
}

// unseen returns the keys whose hashes are not in seen, and adds them. Hashes take a fifth of the
// memory that keys would take.
func unseen(keys []string, seen map[uint64]bool) []string {
	fresh := keys[:0]
	for _, key := range keys {
		if hash := maphash.String(seed, key); !seen[hash] {
			seen[hash] = true
			fresh = append(fresh, key)
		}
	}
	return fresh
}

var seed = maphash.MakeSeed()

// itemClass extracts the slab class from "STAT items:5:number 42".
func itemClass(line string) (string, bool) {
	rest, found := strings.CutPrefix(line, "STAT items:")
	class, rest, _ := strings.Cut(rest, ":")
	return class, found && strings.HasPrefix(rest, "number ")
}

// dumpedKey returns a function that extracts the key of one of the store's records from
// "key=sess%3Aabc exp=...". It ignores an item whose key selects another server: it is left over
// from a different list of servers, and no call finds it.
func (s *Store) dumpedKey(addr net.Addr) func(line string) (string, bool) {
	return func(line string) (string, bool) {
		rest, found := strings.CutPrefix(line, "key=")
		escaped, _, _ := strings.Cut(rest, " ")
		name, err := url.PathUnescape(escaped)
		key, ours := strings.CutPrefix(name, s.prefix)
		return key, found && err == nil && ours && isKey(key) && s.picks(addr, name)
	}
}

// isKey reports whether text may be the key of a record. That tells records from epochs, and from
// the items of a store with a longer prefix.
func isKey(text string) bool {
	for _, b := range []byte(text) {
		if !inKeys(b) {
			return false
		}
	}
	return text != ""
}

// picks reports whether the item with that name belongs on the server addr.
func (s *Store) picks(addr net.Addr, name string) bool {
	picked, err := s.servers.PickServer(name)
	return err == nil && picked.String() == addr.String()
}
