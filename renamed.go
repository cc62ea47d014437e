package session

import (
	"context"
	"errors"
	"iter"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/uptime"
)

// If a sign-in changes the ID while another request with the old ID is in flight, that request
// finds no session under its ID. If it got a new session, as after an expiry, the new cookie
// would replace that of the sign-in. The mark under the old key identifies such a request. The
// mark never gives it access to the session.

// overtakes is how long after a change of the ID a request with the old ID may arrive and still
// count as sent before. A request with a body counts for as long as the mark lasts, because
// its body may have been under way.
const overtakes = 15 * time.Second

// overtook reports whether a change of the ID has overtaken a request with the old ID. If not,
// the client has never learned of the new ID. arrived is the uptime when the header of the
// request arrived.
func overtook(rename driver.Rename, arrived time.Duration, hasBody bool) bool {
	renamedAt := uptime.Now() - rename.Age
	return arrived <= renamedAt+overtakes || hasBody
}

// renamed returns the mark under a key without a session. If there is none, the error matches
// ErrNotFound. Its caller is within a call of Factory.call; mark is for others.
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

// tracksRenames reports whether the store keeps marks, which all processes see. A wrapper of a
// store may say only at the first call of renamed that it does not.
func (f *Factory) tracksRenames() bool { return f.tracker != nil && !f.noMarks.Load() }

// mark is like renamed, with a time limit of its own.
func (f *Factory) mark(ctx context.Context, key string) (rename driver.Rename, err error) {
	err = f.call(ctx, func(ctx context.Context) (err error) {
		rename, err = f.renamed(ctx, key)
		return err
	})
	return rename, err
}

// maxHops is how many times the ID of a session may change within the lifetime of a mark.
const maxHops = 10_000

var errCircle = errors.New("the marks of the store lead in a circle")

// laterKeys yields the keys that a session has got since it had key, in order, by following the
// marks that renamed returns. An error ends the sequence.
func laterKeys(ctx context.Context, key string, renamed func(context.Context, string) (driver.Rename, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for range maxHops {
			rename, err := renamed(ctx, key)
			if isGone(err) {
				return
			}
			if err != nil {
				yield("", err)
				return
			}
			if key = rename.To; !yield(key, nil) {
				return
			}
		}
		yield("", errCircle)
	}
}

// changeID calls the store's ChangeID. If the store keeps no marks, changeID notes the change in
// this process. In that case it lets no other rename of the key, and no look-up of its mark,
// run at the same time: a failed rename must not hide a successful one.
func (f *Factory) changeID(ctx context.Context, p *pending) error {
	if f.tracksRenames() {
		return f.store.ChangeID(ctx, p.oldKey, p.record)
	}
	defer f.lockRename(ctx, p.oldKey)()
	err := f.store.ChangeID(ctx, p.oldKey, p.record)
	if err == nil || isUnknown(err) {
		f.renames.Add(p.oldKey, p.record.Key, err == nil, uptime.Now())
	}
	return err
}

// lockRename makes other goroutines that rename a key, or look up its mark, wait until unlock is
// called, but no longer than StoreTimeout.
func (f *Factory) lockRename(ctx context.Context, key string) (unlock func()) {
	lock := f.locks.Acquire(ctx, "rename "+key, time.Now().Add(f.cfg.StoreTimeout))
	if lock == nil {
		return func() {}
	}
	return func() { lock.Release(nil) }
}

// renamedHere returns the mark of a key that this process has renamed.
func (f *Factory) renamedHere(ctx context.Context, key string) (driver.Rename, error) {
	defer f.lockRename(ctx, key)()
	return f.renames.Find(key, uptime.Now())
}
