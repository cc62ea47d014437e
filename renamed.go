package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"gosession.dev/session/driver"
)

// A request that was sent with an ID which a sign-in changes before the request is
// served finds nothing under it. If it were given a new session, as anybody is whose
// session has expired, the cookie of that would replace the one of the sign-in. The mark
// under the old key tells such a request from others. It never leads into the session.

// overtakes is how long after a change of the ID a request with the old one may still
// arrive, because it was sent before. One with a body may have been under way for as
// long as the mark lasts.
const overtakes = 15 * time.Second

// overtook reports whether a rename overtook a request, which was sent with the old ID,
// instead of the client being one that has never learned of it. The time of arrival is
// an uptime.
func overtook(rename driver.Rename, arrived time.Duration, hasBody bool) bool {
	renamedAt := uptime() - rename.Age
	return arrived <= renamedAt+overtakes || hasBody
}

// renamed returns the mark under a key that was not found. If there is none, the error
// matches ErrNotFound. It is a part of a call.
func (f *Factory) renamed(ctx context.Context, key string) (driver.Rename, error) {
	if f.tracksRenames() {
		rename, err := f.tracker.Renamed(ctx, key)
		if !errors.Is(err, errors.ErrUnsupported) {
			return rename, err
		}
		f.noMarks.Store(true)
	}
	return f.renamedHere(ctx, key)
}

// tracksRenames reports whether the store leaves marks, which all processes see. It is
// certain after the first call of renamed.
func (f *Factory) tracksRenames() bool { return f.tracker != nil && !f.noMarks.Load() }

// mark is renamed as a call of its own.
func (f *Factory) mark(ctx context.Context, key string) (rename driver.Rename, err error) {
	err = f.call(ctx, func(ctx context.Context) (err error) {
		rename, err = f.renamed(ctx, key)
		return err
	})
	return rename, err
}

// changeID has the store rename a record, and notes that where only this process knows.
// There the renames of one key follow each other, and a look at them waits: one that
// fails must not hide one that succeeds.
func (f *Factory) changeID(ctx context.Context, p *pending) error {
	if f.tracksRenames() {
		return f.store.ChangeID(ctx, p.oldKey, p.record)
	}
	defer f.lockRename(ctx, p.oldKey)()
	err := f.store.ChangeID(ctx, p.oldKey, p.record)
	if err == nil || isUnknown(err) {
		f.renames.add(p.oldKey, p.record.Key, err == nil)
	}
	return err
}

// lockRename keeps others from renaming a key, or from looking whether it was renamed,
// until unlock is called.
func (f *Factory) lockRename(ctx context.Context, key string) (unlock func()) {
	key = "rename " + key
	t := f.turns.take(ctx, key, time.Now().Add(f.cfg.StoreTimeout))
	if t == nil {
		return func() {}
	}
	return func() { f.turns.give(key, t, nil) }
}

// renamedHere returns the mark of a key that this process has renamed.
func (f *Factory) renamedHere(ctx context.Context, key string) (driver.Rename, error) {
	defer f.lockRename(ctx, key)()
	return f.renames.find(key)
}

// maxRenames bounds the memory that renames take: some 30 MB.
const maxRenames = 100_000

// renames are the keys that this process has changed lately, for stores that are no
// [driver.RenameTracker]. If there are too many, the oldest are forgotten.
type renames struct {
	mu    sync.Mutex // guards what follows
	byKey map[string]localMark
	order []string // the oldest in front; a key stands here once
}

type localMark struct {
	to string
	at time.Duration // an uptime
}

// add notes a rename. One that may have happened does not replace another one.
func (r *renames) add(key, to string, happened bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey == nil {
		r.byKey = map[string]localMark{}
	}
	if m, noted := r.byKey[key]; noted {
		if happened {
			r.byKey[key] = localMark{to, m.at}
		}
		return
	}
	now := uptime()
	for len(r.order) > 0 && (len(r.order) >= maxRenames || now-r.byKey[r.order[0]].at > driver.MarkLifetime) {
		delete(r.byKey, r.order[0])
		r.order = r.order[1:]
	}
	r.byKey[key] = localMark{to, now}
	r.order = append(r.order, key)
}

func (r *renames) find(key string) (driver.Rename, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, found := r.byKey[key]
	age := uptime() - m.at
	if !found || age > driver.MarkLifetime {
		return driver.Rename{}, ErrNotFound
	}
	return driver.Rename{To: m.to, Age: age}, nil
}
