package memory

import (
	"strings"
	"time"

	"gosession.dev/session/driver"
)

// entry is a stored record. It is compact, because a store may hold millions. A copy of an entry
// can be read without the mutex of its shard.
type entry struct {
	key      string
	subject  string
	content  string // Meta followed by Data
	metaSize int32
	position int32 // in the shard's byExpiry
	created  int64 // Unix milliseconds, as is expires
	expires  int64
	version  uint64
}

func newEntry(r *driver.Record, version uint64) entry {
	return entry{
		key:      r.Key,
		subject:  r.Subject,
		content:  content(r),
		metaSize: int32(len(r.Meta)),
		created:  r.Created.UnixMilli(),
		expires:  r.Expires.UnixMilli(),
		version:  version,
	}
}

func content(r *driver.Record) string {
	var b strings.Builder
	b.Grow(len(r.Meta) + len(r.Data))
	b.Write(r.Meta)
	b.Write(r.Data)
	return b.String()
}

func (e *entry) live(now time.Time) bool { return now.UnixMilli() < e.expires }

func (e *entry) record() *driver.Record {
	blob := []byte(e.content)
	return &driver.Record{
		Key:     e.key,
		Data:    blob[e.metaSize:],
		Meta:    blob[:e.metaSize:e.metaSize],
		Created: time.UnixMilli(e.created).UTC(),
		Expires: time.UnixMilli(e.expires).UTC(),
		Subject: e.subject,
		Version: e.version,
	}
}

// expiryHeap is a [container/heap.Interface] whose first entry expires next.
type expiryHeap []*entry

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expires < h[j].expires }

func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].position, h[j].position = int32(i), int32(j)
}

func (h *expiryHeap) Push(x any) {
	e := x.(*entry)
	e.position = int32(len(*h))
	*h = append(*h, e)
}

func (h *expiryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
