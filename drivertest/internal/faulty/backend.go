package faulty

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// backend is a correct store whose backend may be down, refuse writes or hold garbage, as its
// condition says.
type backend struct {
	correct
	*condition
}

// condition is the condition of a backend. It has a lock of its own, because faults use their
// store while they hold the lock of their world.
type condition struct {
	conditionMu sync.Mutex      // guards what follows
	down        bool            // the backend is not there
	readOnly    bool            // it refuses writes
	garbage     map[string]bool // keys
}

func (st *condition) plant(key string) {
	st.conditionMu.Lock()
	defer st.conditionMu.Unlock()
	if st.garbage == nil {
		st.garbage = map[string]bool{}
	}
	st.garbage[key] = true
}

func (st *condition) keys() []string {
	st.conditionMu.Lock()
	defer st.conditionMu.Unlock()
	return slices.Collect(maps.Keys(st.garbage))
}

func (st *condition) set(flag *bool, to bool) {
	st.conditionMu.Lock()
	defer st.conditionMu.Unlock()
	*flag = to
}

var (
	errDown     = errors.New("connection refused")
	errReadOnly = errors.New("attempt to write a readonly database")
)

// judge returns the error of a call that the condition does not allow, or nil.
func (st *condition) judge(writes bool, key string) error {
	st.conditionMu.Lock()
	defer st.conditionMu.Unlock()
	switch {
	case st.down:
		return errDown
	case st.readOnly && writes:
		return errReadOnly
	case st.garbage[key]:
		return driver.ErrCorrupt
	}
	return nil
}

func (b backend) Create(ctx context.Context, r *driver.Record) error {
	err := b.judge(true, r.Key)
	switch {
	case errors.Is(err, driver.ErrCorrupt):
		return driver.ErrExists
	case err != nil:
		return err
	}
	return b.correct.Create(ctx, r)
}

func (b backend) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	if err := b.judge(false, key); err != nil {
		return nil, err
	}
	return b.correct.Retrieve(ctx, key)
}

func (b backend) Flush(ctx context.Context, r *driver.Record) error {
	if err := b.judge(true, r.Key); err != nil {
		return err
	}
	return b.correct.Flush(ctx, r)
}

func (b backend) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	if err := b.judge(true, oldKey); err != nil {
		return err
	}
	if b.judge(true, r.Key) == nil {
		return b.correct.ChangeID(ctx, oldKey, r)
	}
	old, err := b.correct.Retrieve(ctx, oldKey)
	switch {
	case err != nil:
		return err
	case old.Version != r.Version:
		return driver.ErrConflict
	}
	return driver.ErrExists
}

func (b backend) Destroy(ctx context.Context, key string) error {
	err := b.judge(true, key)
	switch {
	case errors.Is(err, driver.ErrCorrupt):
		b.conditionMu.Lock()
		defer b.conditionMu.Unlock()
		delete(b.garbage, key)
		return nil
	case err != nil:
		return err
	}
	return b.correct.Destroy(ctx, key)
}

func (b backend) Touch(ctx context.Context, key string, expires time.Time) error {
	if err := b.judge(true, key); err != nil {
		return err
	}
	return b.correct.Touch(ctx, key, expires)
}

func (b backend) Ping(ctx context.Context) error {
	if err := b.judge(true, ""); err != nil {
		return err
	}
	return b.correct.Ping(ctx)
}

func (d *opener) downDSN(testing.TB) (dsn string, up func()) {
	dsn = fmt.Sprint("drivertest-down-", stores.Add(1))
	st := &d.world(dsn).state
	st.set(&st.down, true)
	return dsn, func() { st.set(&st.down, false) }
}

func (d *opener) readOnlyDSN(testing.TB) string {
	dsn := fmt.Sprint("drivertest-read-only-", stores.Add(1))
	st := &d.world(dsn).state
	st.set(&st.readOnly, true)
	return dsn
}

// neighbours returns two DSNs. By turns the second one begins with the first, or matches the first
// as a pattern.
func (d *opener) neighbours(testing.TB) (a, b string) {
	name := fmt.Sprintf("drivertest-%d", stores.Add(1))
	if d.neighboured.Add(1)%2 == 0 {
		return name + "-*", name + "-pattern"
	}
	return name + "-a", name + "-a2"
}

// count returns how many items the backend keeps for the store of dsn.
func (d *opener) count(t testing.TB, dsn string) (n int) {
	w := d.world(dsn)
	w.do(func() { n = len(w.renamed) + w.leftovers })
	withStore(dsn, func(s correct) {
		keys, err := collect(s.Sessions(context.Background()))
		if err != nil {
			t.Error(err)
		}
		n += len(keys)
	})
	return n
}

// corrupt replaces a record by garbage. The memory store has neither of them then.
func (d *opener) corrupt(t testing.TB, dsn, key string) {
	withStore(dsn, func(s correct) {
		if err := s.Destroy(context.Background(), key); err != nil {
			t.Error(err)
		}
	})
	d.world(dsn).state.plant(key)
}

// withStore calls f with the correct store of dsn.
func withStore(dsn string, f func(correct)) {
	s, err := memory.Driver{}.Open(dsn)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	f(s.(correct))
}

// withMatch calls f with the neighbour of s whose DSN the DSN of s matches as a pattern, if s has
// one.
func (s *store) withMatch(f func(correct)) {
	if name, ok := strings.CutSuffix(*s.dsn, "-*"); ok {
		withStore(name+"-pattern", f)
	}
}

// withNeighbour calls f with the neighbour of s that has the longer DSN, if s has one.
func (s *store) withNeighbour(f func(correct)) {
	if strings.HasSuffix(*s.dsn, "-a") {
		withStore(*s.dsn+"2", f)
	}
}
