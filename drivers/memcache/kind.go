package memcache

import (
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// kind is the type of an item. The item's flags hold it.
type kind uint32

const (
	isRecord  kind = iota // an envelope; release 0.1 wrote these too
	isPending             // an envelope: the copy that a ChangeID in progress has added under the new key
	isMark                // left by ChangeID under the old key
	isEnded               // left by Destroy for endedLifetime; the value is empty
)

// endedLifetime is how long an ended item blocks an add that was sent before the Destroy and
// arrives after it, from an abandoned call or connection.
const endedLifetime = time.Minute

func (s *Store) endedItem(key string) *memcache.Item {
	return &memcache.Item{
		Key:        s.recordKey(key),
		Flags:      uint32(isEnded),
		Expiration: expiration(time.Now().Add(endedLifetime)),
	}
}
