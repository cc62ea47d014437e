package memcache

import (
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// kind tells what an item is. It is stored in the item's flags.
type kind uint32

const (
	isRecord  kind = iota // an envelope; also what release 0.1 wrote
	isPending             // an envelope: the copy that a ChangeID under way has added under its new key
	isMark                // what ChangeID leaves under the old key
	isEnded               // what Destroy leaves for a while; its value is empty
)

// endedLifetime is how long an ended item blocks an add that was sent before the
// Destroy and arrives after it, from a call or a connection that was given up.
const endedLifetime = time.Minute

func (s *Store) endedItem(key string) *memcache.Item {
	return &memcache.Item{
		Key:        s.recordKey(key),
		Flags:      uint32(isEnded),
		Expiration: expiration(time.Now().Add(endedLifetime)),
	}
}
