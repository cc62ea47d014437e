package memcache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"gosession.dev/session/driver"
)

// pageSize is how many records a listing looks at in one round trip.
const pageSize = 100

// Sessions implements [driver.Store]. Each server tells its keys, which are all read
// before the first is yielded: a server serves one such dump at a time, and a slow reader
// keeps all others waiting. Then the records are read, page by page, and records that have
// ended and pending copies are left out. A listing takes about 64 bytes for each session
// of a server.
func (s *Store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for keys, err := range s.dumps(ctx) {
			if err != nil {
				yield("", err)
				return
			}
			for len(keys) > 0 {
				page := keys[:min(pageSize, len(keys))]
				keys = keys[len(page):]
				live, err := s.live(ctx, page)
				if err != nil {
					yield("", err)
					return
				}
				for _, key := range live {
					if err := ctx.Err(); err != nil {
						yield("", err)
						return
					}
					if !yield(key, nil) {
						return
					}
				}
			}
		}
	}
}

// live returns the keys whose records are alive, without pending copies.
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
		if err != nil {
			continue // expired, or no record
		}
		ep, known := epochs[e.Subject]
		if !known && e.Subject != "" {
			if ep, err = s.epoch(ctx, e.Subject); err != nil {
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

// fetchMany reads the items of the keys.
func (s *Store) fetchMany(ctx context.Context, keys []string) (map[string]*memcache.Item, error) {
	names := make([]string, len(keys))
	asked := make(map[string]bool, len(keys))
	for i, key := range keys {
		names[i] = s.recordKey(key)
		asked[names[i]] = true
	}
	return await(ctx, s, func(c *memcache.Client) (map[string]*memcache.Item, error) {
		items, err := c.GetMulti(names)
		for name := range items {
			if !asked[name] {
				return nil, errOtherKey
			}
		}
		return items, err
	})
}

// dumps yields the keys of our records, of each server.
func (s *Store) dumps(ctx context.Context) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		if s.servers == nil {
			yield(nil, fmt.Errorf("memcache: the client's servers are not known, see Options.Servers: %w", errors.ErrUnsupported))
			return
		}
		var addrs []net.Addr
		_ = s.servers.Each(func(a net.Addr) error {
			addrs = append(addrs, a)
			return nil
		})
		for _, addr := range addrs {
			if !s.dump(ctx, addr, yield) {
				return
			}
		}
	}
}

// dump yields the keys of a server, in the order of its hash table. In the order of its
// queues the crawler would miss items that move from one queue to another, as all items do
// that were read lately. It reports whether to go on.
func (s *Store) dump(ctx context.Context, addr net.Addr, yield func([]string, error) bool) bool {
	keys, err := s.command(ctx, addr, "lru_crawler metadump hash", s.dumpedKey)
	if errors.Is(err, errors.ErrUnsupported) {
		return s.dumpQueues(ctx, addr, yield)
	}
	return yield(keys, err) && err == nil
}

// dumpQueues is dump for servers that know the queues only, of each slab class. Each is
// dumped twice, and may still miss items that move meanwhile. A key is yielded once.
func (s *Store) dumpQueues(ctx context.Context, addr net.Addr, yield func([]string, error) bool) bool {
	classes, err := s.command(ctx, addr, "stats items", itemClass)
	if err != nil {
		return yield(nil, err) && false
	}
	told := map[uint64]bool{}
	for _, class := range slices.Concat(classes, classes) {
		keys, err := s.command(ctx, addr, "lru_crawler metadump "+class, s.dumpedKey)
		if !yield(firstTime(keys, told), err) || err != nil {
			return false
		}
	}
	return true
}

// firstTime returns the keys that have not been yielded yet. It keeps hashes of the keys,
// which take a fifth of the memory.
func firstTime(keys []string, told map[uint64]bool) []string {
	first := keys[:0]
	for _, key := range keys {
		if hash := maphash.String(seed, key); !told[hash] {
			told[hash] = true
			first = append(first, key)
		}
	}
	return first
}

var seed = maphash.MakeSeed()

// itemClass finds a slab class in "STAT items:5:number 42".
func itemClass(line string) (string, bool) {
	rest, found := strings.CutPrefix(line, "STAT items:")
	class, rest, _ := strings.Cut(rest, ":")
	return class, found && strings.HasPrefix(rest, "number ")
}

// dumpedKey finds the key of one of our records in "key=sess%3Aabc exp=...".
func (s *Store) dumpedKey(line string) (string, bool) {
	rest, found := strings.CutPrefix(line, "key=")
	escaped, _, _ := strings.Cut(rest, " ")
	name, err := url.PathUnescape(escaped)
	key, ours := strings.CutPrefix(name, s.prefix)
	return key, found && err == nil && ours && !strings.HasPrefix(key, "@")
}

// maxBusy bounds the pause before a crawler that serves another client is asked again.
const maxBusy = 50 * time.Millisecond

// command sends a command that gomemcache does not know, and returns what take
// finds in the lines of the answer.
func (s *Store) command(ctx context.Context, addr net.Addr, command string, take func(line string) (string, bool)) ([]string, error) {
	for {
		found, busy, err := s.ask(ctx, addr, command, take)
		if err != nil || !busy {
			return found, s.explainListing(ctx, err)
		}
		select {
		case <-time.After(rand.N(maxBusy)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Store) explainListing(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return s.explain(err)
}

func (s *Store) ask(ctx context.Context, addr net.Addr, command string, take func(line string) (string, bool)) (found []string, busy bool, err error) {
	switch {
	case s.closed.Load():
		return nil, false, driver.ErrClosed
	case ctx.Err() != nil:
		return nil, false, ctx.Err()
	}
	conn, err := (&net.Dialer{Timeout: s.timeout}).DialContext(ctx, addr.Network(), addr.String())
	if err != nil {
		return nil, false, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return nil, false, err
	}
	lines := bufio.NewScanner(conn)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(s.timeout)); err != nil {
			return nil, false, err
		}
		if !lines.Scan() {
			return nil, false, errors.Join(lines.Err(), errors.New("memcached: the listing was cut off"))
		}
		line := lines.Text()
		switch {
		case line == "END":
			return found, false, nil
		case strings.HasPrefix(line, "BUSY"):
			return nil, true, nil
		case strings.HasPrefix(line, "BADCLASS"), strings.HasPrefix(line, "ERROR"), strings.HasPrefix(line, "CLIENT_ERROR"), strings.HasPrefix(line, "SERVER_ERROR"):
			return nil, false, fmt.Errorf("memcached can't list (it takes version 1.4.31 with its LRU crawler): %w", errors.ErrUnsupported)
		}
		if text, ok := take(line); ok {
			found = append(found, text)
		}
	}
}
