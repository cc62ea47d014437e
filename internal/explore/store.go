package explore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/driver/intercept"
)

// Traits are the limits of a store.
type Traits struct {
	// NoSubjectDestroyer: the store can't end the sessions of a subject in one step.
	NoSubjectDestroyer bool

	// ListsSlowly: a listing takes two calls, and yields the records that exist at both. A
	// record that is renamed between them is missing.
	ListsSlowly bool
}

// Store returns a store that behaves like inner, and each of whose calls waits at the gate of its
// request. A listing is one call, and yields keys in the order of their first use, so that
// executions can be repeated.
func (x *Execution) Store(inner driver.Store, traits Traits) driver.Store {
	g := &gated{x: x, inner: inner, traits: traits}
	g.Store = intercept.New(inner, g.around)
	return g
}

// gated is a store that tells the gate which records each call uses.
type gated struct {
	*intercept.Store
	x      *Execution
	inner  driver.Store
	traits Traits
}

// renamesInSteps is a store whose ChangeID consists of several calls.
type renamesInSteps interface {
	rename(ctx context.Context, oldKey string, r *driver.Record, step stepFunc) error
}

var _ renamesInSteps = (*TwoStep)(nil)

// stepFunc is [Execution.Step].
type stepFunc func(ctx context.Context, call Call, do func(context.Context) error) error

type keysKey struct{}

func (g *gated) concerning(ctx context.Context, keys ...string) context.Context {
	for _, key := range keys {
		g.x.number(key)
	}
	return context.WithValue(ctx, keysKey{}, keys)
}

var writes = []string{"Create", "Flush", "ChangeID", "Destroy", "Touch", "DestroySubject", "DeleteExpired"}

func (g *gated) around(ctx context.Context, name string, do func(context.Context) error) error {
	keys, _ := ctx.Value(keysKey{}).([]string)
	return g.x.Step(ctx, Call{Name: name, Keys: keys, Writes: slices.Contains(writes, name)}, do)
}

func (g *gated) Create(ctx context.Context, r *driver.Record) error {
	return g.Store.Create(g.concerning(ctx, r.Key), r)
}

func (g *gated) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	return g.Store.Retrieve(g.concerning(ctx, key), key)
}

func (g *gated) Flush(ctx context.Context, r *driver.Record) error {
	return g.Store.Flush(g.concerning(ctx, r.Key), r)
}

func (g *gated) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	if inner, ok := g.inner.(renamesInSteps); ok {
		g.x.number(oldKey)
		g.x.number(r.Key)
		return inner.rename(ctx, oldKey, r, g.x.Step)
	}
	return g.Store.ChangeID(g.concerning(ctx, oldKey, r.Key), oldKey, r)
}

func (g *gated) Destroy(ctx context.Context, key string) error {
	return g.Store.Destroy(g.concerning(ctx, key), key)
}

func (g *gated) Touch(ctx context.Context, key string, expires time.Time) error {
	return g.Store.Touch(g.concerning(ctx, key), key, expires)
}

func (g *gated) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	return g.Store.Renamed(g.concerning(ctx, key), key)
}

func (g *gated) DestroySubject(ctx context.Context, subject string, except ...string) error {
	if g.traits.NoSubjectDestroyer {
		return errors.ErrUnsupported
	}
	return g.Store.DestroySubject(ctx, subject, except...)
}

func (g *gated) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return g.list(ctx, "Sessions", g.inner.Sessions)
}

func (g *gated) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	lister, ok := g.inner.(driver.SubjectLister)
	if !ok {
		return func(yield func(string, error) bool) { yield("", errors.ErrUnsupported) }
	}
	return g.list(ctx, "SubjectSessions", func(ctx context.Context) iter.Seq2[string, error] {
		return lister.SubjectSessions(ctx, subject)
	})
}

// list collects all keys before it yields the first.
func (g *gated) list(ctx context.Context, name string, list func(context.Context) iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		keys, err := g.collect(ctx, name, list)
		if err == nil && g.traits.ListsSlowly {
			var later []string
			later, err = g.collect(ctx, name+" (continued)", list)
			keys = slices.DeleteFunc(keys, func(key string) bool { return !slices.Contains(later, key) })
		}
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

func (g *gated) collect(ctx context.Context, name string, list func(context.Context) iter.Seq2[string, error]) ([]string, error) {
	var keys []string
	err := g.x.Step(ctx, Call{Name: name}, func(ctx context.Context) error {
		for key, err := range list(ctx) {
			if err != nil {
				return err
			}
			keys = append(keys, key)
		}
		return nil
	})
	slices.SortFunc(keys, func(a, b string) int { return g.x.number(a) - g.x.number(b) })
	return keys, err
}
